"""Loss is named where it lasts, whatever the rate, and nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Iterable
import random

import pytest

from uaafusion_ros.stream.loss import LossWatch

S = 1_000_000_000
TICK = S // 20


def named(stamps: Iterable[int], seconds: float) -> list[tuple[float, float]]:
    """Let images arrive by their stamps; return (second, share) of each tick with a loss."""
    watch, found, waiting = LossWatch(), [], sorted(stamps)
    for now in range(0, int(seconds * S), TICK):
        while waiting and waiting[0] <= now:
            stamp = waiting.pop(0)
            watch.on_stamp(stamp, stamp)
        if lost := watch.update(now):
            found.append((now / S, lost))
    return found


def camera(rate: float, seconds: float, lost: float = 0.0, jitter: float = 0.0) -> list[int]:
    """Return the stamps that arrive; jitter is a share of the interval."""
    random.seed(f'{rate} {lost} {jitter}')
    return [round((k + random.uniform(-jitter, jitter)) / rate * S)
            for k in range(1, int(rate * seconds)) if random.random() >= lost]


@pytest.mark.parametrize('rate, lost, within_s', [
    (15, 0.5, 5), (15, 0.66, 5), (30, 0.5, 5), (30, 0.66, 5), (60, 0.5, 5), (60, 0.66, 5),
    (9, 0.5, 5), (9, 0.66, 8), (9, 0.12, 15), (15, 0.12, 15), (30, 0.12, 5), (60, 0.12, 5)])
def test_a_lasting_loss_is_named_within_seconds(rate, lost, within_s):
    found = named(camera(rate, 20, lost, jitter=0.08), 20)
    assert found and found[0][0] < within_s
    if rate >= 15:
        shares = [share for second, share in found]
        assert sum(shares) / len(shares) == pytest.approx(lost, abs=0.08)


@pytest.mark.parametrize('rate', [1, 9, 30, 60])
@pytest.mark.parametrize('jitter', [0.0, 0.2])
def test_a_camera_that_loses_nothing_is_not_suspected(rate, jitter):
    assert not named(camera(rate, 30, jitter=jitter), 30)


def test_a_loss_below_a_twentieth_is_none():
    assert not named([stamp for number, stamp in enumerate(camera(30, 30)) if number % 40], 30)


def test_a_shutter_and_a_change_of_the_rate_are_none():
    """One gap of a second; from 30 to 10 Hz and back, as by automatic exposure."""
    assert not named([stamp for stamp in camera(30, 20) if not 10 * S < stamp < 11 * S], 20)
    slow = [10 * S + stamp for stamp in camera(10, 10)]
    fast = [20 * S + stamp for stamp in camera(30, 10)]
    assert not named([*camera(30, 10), *slow, *fast], 30)


def test_bursts_tell_nothing():
    """A driver that stamps two images together when a transfer ends."""
    random.seed(1)
    assert not named([round((k // 2 * 2 / 30 + (0.004 + random.random() * 0.02) * (k % 2)) * S)
                      for k in range(1, 600)], 20)


def test_the_loss_ends_with_the_fault_and_starts_anew_after_a_jump():
    lossy, whole = camera(15, 10, 0.5), [10 * S + stamp for stamp in camera(15, 10)]
    found = named([*lossy, *whole], 20)
    assert 9.5 < found[-1][0] < 13.0
    watch = LossWatch()
    for stamp in [*range(0, S, S // 15), *range(100 * S, 101 * S, S // 15)]:
        watch.on_stamp(stamp, stamp % (100 * S) + stamp // (100 * S) * S)
    assert watch.share(2 * S) == 0.0
    assert watch.share(9 * S) is None


def test_a_trickle_is_undecided_and_a_regular_stream_is_not():
    """One image in three seconds, as by a transport that loses nearly all."""
    for period, few in ((3 * S, True), (S // 15, False)):
        watch = LossWatch()
        assert not watch.undecided(S)
        for stamp in range(S, 10 * S, period):
            watch.on_stamp(stamp, stamp)
            watch.update(stamp)
        assert watch.undecided(10 * S) == few
