"""What the soak says of memory, latency and counts that are known."""

from __future__ import annotations

import numpy as np
import pytest

from uaafusion_ros.harness import verdicts

CYCLE_S = 30.0
RANDOM = np.random.default_rng(2)


def _minima(mb_h: float, noise_mb: float, cycles: int = 20) -> list[float]:
    """Return memory that warms up for six cycles, then grows."""
    number = np.arange(cycles)
    return list(100 + 20 * np.minimum(number, 6) + mb_h * number * CYCLE_S / 3600
                + noise_mb * RANDOM.random(cycles))


@pytest.mark.parametrize('mb_h, noise_mb, said', [
    (0.0, 0.0, 'holds'), (0.3, 0.01, 'holds'), (3.0, 0.01, 'fails'), (60.0, 0.2, 'fails'),
    (0.5, 1.0, 'undecided')])
def test_a_slope_is_judged_by_its_interval(mb_h, noise_mb, said):
    """The warm-up does not count; noise that hides the limit is no proof of anything."""
    verdict = verdicts.memory(_minima(mb_h, noise_mb), CYCLE_S)
    assert verdict.said == said, str(verdict)
    assert verdict.low <= verdict.value <= verdict.high
    if noise_mb < 0.1:
        assert verdict.value == pytest.approx(mb_h, abs=0.3)


def test_one_step_of_memory_is_no_slope():
    """A cache that grows once, late, is no leak, though it cannot be told for certain."""
    verdict = verdicts.memory([100.0] * 17 + [100.4] * 3, CYCLE_S)
    assert verdict.value == 0.0 and verdict.said == 'undecided'


def test_a_short_run_is_not_judged():
    """Two cycles say nothing of a slope or a drift."""
    assert verdicts.memory([100.0, 130.0], CYCLE_S).said == 'not judged'
    cycles = [[5.0, 6.0]] * 2
    assert verdicts.drift(cycles, cycles).said == 'not judged'
    assert verdicts.constant('threads', [12]).said == 'holds'


@pytest.mark.parametrize('slower, machine, said', [
    (1.0, 1.0, 'holds'), (0.5, 1.0, 'holds'), (1.5, 1.0, 'fails'), (1.5, 1.6, 'undecided')])
def test_a_drift_is_told_from_a_slower_machine(slower, machine, said):
    """p99 may fall; a rise is a failure unless the fixed work became slower, too."""
    def cycles(factor: float) -> list[list[float]]:
        return [list((10 + RANDOM.random(300)) * (1 if number < 14 else factor))
                for number in range(20)]

    assert verdicts.drift(cycles(slower), cycles(machine)).said == said


def test_counts_must_stay_and_errors_must_not_come():
    """The warm-up may differ; one more thread later is a leak."""
    assert verdicts.constant('threads', [9, 11, 12, 12, 12, 12, 12]).said == 'holds'
    assert verdicts.constant('threads', [12, 12, 12, 12, 12, 12, 13]).said == 'fails'
    assert verdicts.none_of('errors', []).said == 'holds'
    assert verdicts.none_of('errors', ['Traceback']).said == 'fails'
    assert verdicts.at_most('gap', 0.9, 1.0, 's').said == 'holds'
    assert verdicts.at_most('gap', 1.1, 1.0, 's').said == 'fails'
    assert verdicts.at_most('gap', 1.1, 1.0, 's', stall=0.5).said == 'undecided'


def test_minima_are_those_of_each_cycle():
    """Peaks within a cycle are forgotten."""
    assert verdicts.cycle_minima(
        [0, 1, 2, 3, 4, 5], [7, 5, 9, 8, 6, 9], [(0, 3), (3, 6)]) == [5, 6]


def test_cycles_without_calm_outputs_do_not_end_the_judgement():
    """As on a machine that other work starves."""
    steady = [[10.0] * 100] * 20
    some = [[] if number in (9, 17) else part for number, part in enumerate(steady)]
    assert verdicts.drift(some, steady).said == verdicts.HOLDS
    assert verdicts.drift(steady[:14] + [[]] * 6, steady).said == verdicts.OPEN
