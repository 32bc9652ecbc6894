from __future__ import annotations

import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from uaafusion_ros.stream.skew import SkewMonitor

MS = 1_000_000
S = 1_000_000_000
EPOCH = 1_700_000_000 * S


def watch(ppm, seconds=90, load_ms=4.0, rates=(30, 30), seed=0, slop_ns=16 * MS):
    """Two cameras, the thermal clock too fast by ppm; latencies of 8 ms and more."""
    rng = np.random.default_rng(seed)
    monitor = SkewMonitor(slop_ns)
    events = []
    for camera, hz in zip(('thermal', 'rgb'), rates):
        for k in range(seconds * hz):
            true = int((k + 0.3) * S / hz)
            late = int((8 + rng.exponential(load_ms)) * MS)
            stamp = true + int(true * ppm / 1e6) * (camera == 'thermal')
            events.append((EPOCH + true + late, camera, EPOCH + stamp))
    for clock, camera, stamp in sorted(events):
        monitor.on_frame(camera, stamp, clock)
    return monitor.summary()


@pytest.mark.parametrize('ppm', [-80, 40, 200])
@pytest.mark.parametrize('rates', [(30, 30), (9, 60)])
def test_drift_between_the_clocks_is_measured_and_said(ppm, rates):
    skew = watch(ppm, rates=rates)
    assert skew.drift_ppm == pytest.approx(ppm, abs=15)
    fast, slow = ('thermal', 'rgb') if ppm > 0 else ('rgb', 'thermal')
    assert f'the {fast} clock gains' in skew.advice and f'on the {slow} clock' in skew.advice


def test_where_stamps_must_be_equal_drift_is_not_measured_by_the_slop():
    assert 'slop' in watch(200).advice
    advice = watch(200, slop_ns=0).advice
    assert 'gains' in advice and 'slop' not in advice


@pytest.mark.parametrize('seed', range(5))
def test_equal_clocks_give_no_advice(seed):
    skew = watch(0, seed=seed)
    assert abs(skew.drift_ppm) < 10 and skew.advice == ''
    assert skew.age_p50_ms['rgb'] == pytest.approx(8 + 4 * math.log(2), abs=0.6)


def test_replay_at_another_rate_is_no_drift_and_too_little_is_no_figure():
    assert watch(0, seconds=20).drift_ppm is None
    monitor = SkewMonitor(16 * MS)
    for k in range(40 * 30):
        for camera in ('thermal', 'rgb'):
            monitor.on_frame(camera, EPOCH + k * 330 * MS, EPOCH + k * 33 * MS)
    assert monitor.summary().drift_ppm == pytest.approx(0, abs=1e-6)


def test_percentiles_of_the_pairs_errors():
    monitor = SkewMonitor(16 * MS)
    assert math.isnan(monitor.summary().skew_p50_ms)
    for k in range(101):
        monitor.on_pair((-1) ** k * k * MS // 10)
    skew = monitor.summary()
    assert (skew.skew_p50_ms, skew.skew_p95_ms) == pytest.approx((5.0, 9.5))
    monitor.reset()
    assert math.isnan(monitor.summary().skew_p95_ms)


@pytest.mark.parametrize(('age', 'text'), [
    (-35 * MS, 'thermal stamps lie 35 ms ahead'), (1400 * MS, '1.4 s old on arrival'),
    (86400 * S, ''), (20 * MS, '')])
def test_stamps_ahead_and_old_ones_are_said(age, text):
    monitor = SkewMonitor(16 * MS)
    for k in range(20):
        monitor.on_frame('thermal', EPOCH + k * 33 * MS, EPOCH + k * 33 * MS + age)
    advice = monitor.summary().advice
    assert text in advice if text else advice == ''


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(['rgb', 'thermal']), st.integers(-2**62, 2**62),
                          st.integers(0, 2**62)), max_size=80))
def test_any_stamp_is_taken(events):
    monitor = SkewMonitor(16 * MS)
    for camera, stamp, clock in events:
        monitor.on_frame(camera, stamp, clock)
        monitor.on_pair(stamp)
    monitor.summary()
