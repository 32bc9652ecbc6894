import math

import numpy as np
import pytest

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.stream.timing import PercentileWindow
from uaafusion_ros.stream.timing import RateMeter


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
    meter = RateMeter(window_ns=2_000_000_000)
    assert meter.rate_hz(0) == 0.0
    for k in range(100):
        meter.tick(k * 33_333_333)
    last = 99 * 33_333_333
    assert meter.rate_hz(last) == pytest.approx(30.0, rel=1e-6)
    assert meter.rate_hz(last + 2_100_000_000) == 0.0


def test_memory_is_bounded_and_a_fast_stream_still_measured():
    meter = RateMeter(capacity=16)
    for k in range(1000):
        meter.tick(k * 1_000_000)
    assert len(meter._arrivals) == 16
    assert meter.rate_hz(999_000_000) == pytest.approx(1000.0)


def test_a_clock_that_falls_back_starts_anew():
    meter = RateMeter()
    meter.tick(10_000_000_000)
    meter.tick(1_000_000_000)
    assert meter.rate_hz(1_000_000_000) == 0.0
    meter.tick(1_100_000_000)
    assert meter.rate_hz(1_100_000_000) == pytest.approx(10.0)
    meter.tick(1_100_000_000)
    assert meter.rate_hz(1_100_000_000) == pytest.approx(20.0)


@pytest.mark.parametrize('make', [
    lambda: PercentileWindow(0), lambda: RateMeter(window_ns=0), lambda: RateMeter(capacity=1)])
def test_sizes_out_of_range_are_refused(make):
    with pytest.raises(ParameterError, match='accepted'):
        make()
