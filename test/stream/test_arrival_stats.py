from __future__ import annotations

import math

import numpy as np
import pytest

from uaafusion_ros.stream.arrival_stats import ArrivalStats
from uaafusion_ros.stream.arrival_stats import PercentileWindow
from uaafusion_ros.stream.arrival_stats import RateMeter

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
    assert ArrivalStats(4, 6).lost_ns == 10


def test_silence_counts_from_the_last_arrival_or_from_when_it_was_excused():
    stats = arrivals([33], timeout_ms=50)
    assert stats.lost_ns == 83 * MS
    stats.excuse(80 * MS)
    assert stats.lost_ns == 130 * MS
    stats.pause(90 * MS)
    assert stats.lost_ns == 140 * MS
    stats.arrive(9 * S)
    assert stats.patience_ns == 50 * MS, 'a pause is no interval'


def test_another_timeout_keeps_what_is_known():
    stats = arrivals([1000] * 20)
    stats.set_timeout(100 * MS)
    assert stats.patience_ns == S and stats.gap_ns is not None
    stats.set_timeout(3 * S)
    assert stats.patience_ns == 3 * S and stats.lost_ns == 23 * S


def test_percentiles_are_those_of_the_last_values():
    window = PercentileWindow(100)
    values = np.random.default_rng(0).random(350)
    for value in values:
        window.add(value)
    summary = window.summary()
    assert summary.count == 100
    assert (summary.p50, summary.p95, summary.p99) == pytest.approx(
        tuple(np.percentile(values[-100:], (50, 95, 99))))
    assert summary.max == values[-100:].max()


def test_a_window_not_yet_full_and_an_empty_one():
    window = PercentileWindow(10)
    assert window.summary().count == 0
    assert math.isnan(window.summary().p95)
    window.add(3.0)
    assert window.summary().count == 1
    assert window.summary().p99 == 3.0


def test_rate_of_a_steady_stream_and_of_one_that_stops():
    meter = RateMeter()
    assert meter.rate_hz(0) == 0.0
    for k in range(100):
        meter.tick(k * 33_333_333)
    last = 99 * 33_333_333
    assert meter.rate_hz(last) == pytest.approx(30.0, rel=1e-6)
    assert meter.rate_hz(last + 2_100_000_000) == 0.0


def test_a_fast_stream_is_measured():
    meter = RateMeter()
    for k in range(1000):
        meter.tick(k * 1_000_000)
    assert meter.rate_hz(999_000_000) == pytest.approx(1000.0)
