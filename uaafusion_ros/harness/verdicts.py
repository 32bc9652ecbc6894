"""
What the measurements of a soak test prove: a slope, a drift, constancy; each with its certainty.

Memory of a process that handles faults rises and falls with them. The same faults come in each
cycle, so that the lowest value of each cycle is what the process holds for good; the slope is
Theil and Sen's median of all pairwise slopes of these values, its interval Sen's by ranks
(P. K. Sen, J. Am. Stat. Assoc. 63, 1968).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan
from math import sqrt

import numpy as np

HOLDS, FAILS, OPEN, UNJUDGED = 'holds', 'fails', 'undecided', 'not judged'
LEAST_CYCLES = 5  # after the warm-up; fewer say nothing of a slope
_Z_95 = 1.96


@dataclass(frozen=True)
class Verdict:
    """
    One line of the result: what was measured (`value` with `low` to `high`, in `unit`) and said.

    `said` is 'holds', 'fails', 'undecided' (the interval includes the limit) or 'not judged'
    (too short a run).
    """

    name: str
    said: str
    value: float
    low: float
    high: float
    unit: str
    limit: str

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        return (f'{self.name} {self.value:.3g} [{self.low:.3g}, {self.high:.3g}] {self.unit} '
                f'({self.limit}): {self.said}')


def cycle_minima(times_s: Sequence[float], values: Sequence[float],
                 cycles: Sequence[tuple[float, float]]) -> list[float]:
    """Return the lowest value within each of the `cycles`, given by begin and end."""
    times, samples = np.asarray(times_s), np.asarray(values)
    return [float(samples[(times >= begin) & (times < end)].min()) for begin, end in cycles]


def warmed(cycles: Sequence) -> int:
    """Return how many of the first cycles are warm-up: two fifths, but never all."""
    return min(len(cycles) - 1, max(1, round(0.4 * len(cycles))))


def slope(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Return Theil and Sen's slope of y over x and its 95 % interval; needs two points."""
    slopes = sorted((y[j] - y[i]) / (x[j] - x[i]) for i, j in combinations(range(len(x)), 2))
    n, pairs = len(x), len(slopes)
    reach = _Z_95 * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, int((pairs - reach) / 2))
    high = min(pairs - 1, int(np.ceil((pairs + reach) / 2)))
    return float(np.median(slopes)), slopes[low], slopes[high]


def memory(minima_mb: Sequence[float], cycle_s: float, limit_mb_h: float = 1.0) -> Verdict:
    """Judge the growth of memory after the warm-up; `minima_mb` has one value per cycle."""
    kept = list(minima_mb[warmed(minima_mb):])
    hours = [number * cycle_s / 3600 for number in range(len(kept))]
    value, low, high = slope(hours, kept) if len(kept) > 1 else (0.0, 0.0, 0.0)
    said = (UNJUDGED if len(kept) < LEAST_CYCLES else FAILS if low >= limit_mb_h
            else HOLDS if high < limit_mb_h else OPEN)
    return Verdict('memory slope', said, value, low, high, 'MB/h', f'below {limit_mb_h:g}')


def drift(latencies: Sequence[Sequence[float]], control: Sequence[Sequence[float]],
          limit: float = 0.1, draws: int = 500) -> Verdict:
    """
    Judge p99 of the last third of the cycles against that of the first third after the warm-up.

    `latencies` and `control` hold the values of each cycle; the control is a fixed piece of work
    on the same machine. Where the machine itself became slower by more than `limit`, a rise is
    undecided. The interval is a bootstrap over whole cycles.
    """
    first = warmed(latencies)
    third = (len(latencies) - first) // 3
    early, late = slice(first, first + max(third, 1)), slice(-max(third, 1), None)
    # A starved machine may leave a cycle without any output outside of faults.
    before, after = (list(filter(len, latencies[part])) for part in (early, late))
    if not before or not after:
        return Verdict('p99 drift', OPEN, nan, nan, nan, '%', 'nothing came outside of faults')
    value = _p99(after) / _p99(before) - 1
    random = np.random.default_rng(0)
    drawn = sorted(_p99(_redrawn(after, random)) / _p99(_redrawn(before, random)) - 1
                   for _ in range(draws))
    low, high = drawn[round(0.025 * draws)], drawn[round(0.975 * draws) - 1]
    machine = _p99(control[late]) / _p99(control[early]) - 1
    said = (UNJUDGED if third < 2 else HOLDS if value <= limit
            else FAILS if low > limit and machine <= limit else OPEN)
    return Verdict('p99 drift', said, 100 * value, 100 * low, 100 * high, '%',
                   f'below {100 * limit:g}; the machine itself {100 * machine:+.0f} %')


def constant(name: str, values: Sequence[int]) -> Verdict:
    """Judge a count taken once per cycle: all after the warm-up must be the same."""
    kept = values[warmed(values):]
    low, high = min(kept), max(kept)
    return Verdict(name, HOLDS if low == high else FAILS, float(np.median(kept)), low, high, '',
                   'constant')


def none_of(name: str, found: Sequence[str]) -> Verdict:
    """Judge what must not have happened at all."""
    count = len(found)
    return Verdict(name, FAILS if count else HOLDS, count, count, count, '', 'none')


def at_most(name: str, value: float, limit: float, unit: str, stall: float = 0.0) -> Verdict:
    """
    Judge a figure that has no scatter.

    `stall` is the longest time for which the machine let nobody run: where it makes up a
    quarter of the limit, a value above that is undecided.
    """
    said = HOLDS if value <= limit else OPEN if stall > limit / 4 else FAILS
    note = f'at most {limit:g}' + (f'; the machine stood still for {stall:.2g} s' if stall else '')
    return Verdict(name, said, value, value, value, unit, note)


def _p99(cycles: Sequence[Sequence[float]]) -> float:
    return float(np.percentile(np.concatenate([np.asarray(part, float) for part in cycles]), 99))


def _redrawn(cycles: Sequence[Sequence[float]], random: np.random.Generator) -> list:
    return [cycles[place] for place in random.integers(0, len(cycles), len(cycles))]
