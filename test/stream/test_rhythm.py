from __future__ import annotations

import numpy as np
import pytest

from uaafusion_ros.stream.rhythm import Rhythm

MS = 1_000_000
S = 1_000_000_000


def rhythm(intervals_ms, timeout_ms=500):
    beat, now = Rhythm(timeout_ms * MS), 0
    beat.tick(now)
    for interval in intervals_ms:
        now += int(interval * MS)
        beat.tick(now)
    return beat


@pytest.mark.parametrize('hz', [4, 9, 30, 60])
def test_a_regular_camera_has_the_timeout_and_a_gap_within_three_beats(hz):
    beat = rhythm([1e3 / hz] * 20)
    assert beat.patience_ns == 500 * MS
    assert 2 < beat.gap_ns * hz / S < 3


def test_a_slow_camera_is_given_half_a_beat_more():
    assert rhythm([1000] * 20).patience_ns == 1500 * MS
    assert rhythm([100_000] * 20).patience_ns == 5 * S


def test_half_of_the_frames_lost_give_patience_and_no_gap():
    rng = np.random.default_rng(0)
    lossy = rhythm(111 * rng.geometric(0.5, 60))
    assert lossy.gap_ns is None
    assert S < lossy.patience_ns <= 4 * S
    assert rhythm(33 * np.minimum(rng.geometric(0.5, 60), 5)).patience_ns == 500 * MS


def test_one_outage_teaches_no_patience_and_hides_no_gap():
    beat = rhythm([33] * 20 + [9000] + [33] * 5)
    assert beat.patience_ns == 500 * MS and beat.gap_ns is not None


def test_a_missed_beat_hides_gaps_until_32_have_come():
    assert rhythm([33] * 20 + [99] + [33] * 31).gap_ns is None
    assert rhythm([33] * 20 + [99] + [33] * 32).gap_ns is not None


def test_nothing_is_known_at_first():
    beat = rhythm([33] * 6)
    assert beat.gap_ns is None and beat.patience_ns == 500 * MS
    assert Rhythm(MS).silence_ns(10, since_ns=4) == 6


def test_silence_counts_from_the_later_of_the_last_arrival_and_a_given_time():
    beat = rhythm([33])
    assert beat.silence_ns(100 * MS, 0) == 67 * MS
    assert beat.silence_ns(100 * MS, 90 * MS) == 10 * MS
    beat.pause()
    assert beat.silence_ns(100 * MS, 0) == 100 * MS
    beat.tick(9 * S)
    assert beat.patience_ns == 500 * MS
