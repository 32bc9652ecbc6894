from __future__ import annotations

import numpy as np
import pytest

from uaafusion_ros.stream.arrival_stats import ArrivalStats

MS = 1_000_000
S = 1_000_000_000


def arrivals(intervals_ms, timeout_ms=500):
    stats, now = ArrivalStats(0, timeout_ms * MS), 0
    stats.arrive(now)
    for interval in intervals_ms:
        now += int(interval * MS)
        stats.arrive(now)
    return stats


@pytest.mark.parametrize('hz', [4, 9, 30, 60])
def test_a_regular_camera_has_the_timeout_and_a_gap_within_three_intervals(hz):
    stats = arrivals([1e3 / hz] * 20)
    assert stats.patience_ns == 500 * MS
    assert 2 < stats.gap_ns * hz / S < 3


def test_a_slow_camera_is_given_half_an_interval_more():
    assert arrivals([1000] * 20).patience_ns == 1500 * MS
    assert arrivals([100_000] * 20).patience_ns == 5 * S


def test_half_of_the_frames_lost_give_patience_and_no_gap():
    rng = np.random.default_rng(0)
    lossy = arrivals(111 * rng.geometric(0.5, 60))
    assert lossy.gap_ns is None
    assert S < lossy.patience_ns <= 4 * S
    assert arrivals(33 * np.minimum(rng.geometric(0.5, 60), 5)).patience_ns == 500 * MS


def test_one_outage_teaches_no_patience_and_hides_no_gap():
    stats = arrivals([33] * 20 + [9000] + [33] * 5)
    assert stats.patience_ns == 500 * MS and stats.gap_ns is not None


def test_a_missed_frame_hides_gaps_until_32_have_come():
    assert arrivals([33] * 20 + [99] + [33] * 31).gap_ns is None
    assert arrivals([33] * 20 + [99] + [33] * 32).gap_ns is not None


def test_nothing_is_known_at_first():
    stats = arrivals([33] * 6)
    assert stats.gap_ns is None and stats.patience_ns == 500 * MS
    assert not ArrivalStats(4, 6).lost(10) and ArrivalStats(4, 6).lost(11)


def test_silence_counts_from_the_last_arrival_or_from_when_it_was_excused():
    stats = arrivals([33], timeout_ms=50)
    assert not stats.lost(83 * MS) and stats.lost(84 * MS)
    stats.excuse(80 * MS)
    assert not stats.lost(130 * MS) and stats.lost(131 * MS)
    stats.pause(90 * MS)
    assert not stats.lost(140 * MS) and stats.lost(141 * MS)
    stats.arrive(9 * S)
    assert stats.patience_ns == 50 * MS, 'a pause is no interval'


def test_another_timeout_keeps_what_is_known():
    stats = arrivals([1000] * 20)
    stats.set_timeout(100 * MS)
    assert stats.patience_ns == S and stats.gap_ns is not None
    stats.set_timeout(3 * S)
    assert stats.patience_ns == 3 * S
