"""What became of each pair that was sent to a node under load."""

from __future__ import annotations

import pytest

from uaafusion_ros.harness.node_load import dropped
from uaafusion_ros.harness.node_load import figures

MS = 10 ** 6


def test_figures_of_a_stream_that_is_known():
    """Ten pairs 100 ms apart, 4 ms of processor each; the first four are the time to settle."""
    stamps = [number * 100 * MS for number in range(11)]
    spent = [number * 0.004 for number in range(11)]
    out = {number * 100 * MS: (number * 100 + 20) * MS for number in range(10) if number != 7}
    found = figures(stamps, spent, out, 0.4)
    assert (found['sent'], found['out']) == (6, 5)
    assert found['input_hz'] == pytest.approx(10.0)
    assert found['output_hz'] == pytest.approx(8.0)  # four gaps in 500 ms
    assert found['latency_ms']['p50'] == found['latency_ms']['p99'] == 20.0
    assert found['cpu_between_ms']['p95'] == pytest.approx(4.0)
    assert found['cpu_ms'] == pytest.approx(6 * 4.0 / 5)


def test_nothing_that_comes_out_is_no_error():
    found = figures([0, 100 * MS, 200 * MS], [0.0, 0.1, 0.2], {}, 5.0)
    assert (found['sent'], found['out'], found['output_hz'], found['cpu_ms']) == (1, 0, 0.0, None)


def test_drops_are_those_of_the_phase_and_of_the_way():
    before = {'received.rgb': 10, 'received.thermal': 10, 'dropped.pair.superseded': 3}
    after = {'received.rgb': 30, 'received.thermal': 29, 'dropped.pair.superseded': 5,
             'dropped.rgb.expired': 1}
    assert dropped(before, after, 20) == {
        'pair.superseded': 2, 'rgb.expired': 1, 'transport.thermal': 1}
    assert dropped({}, {}, 20) == {}
