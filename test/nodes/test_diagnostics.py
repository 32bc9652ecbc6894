"""Counts add up, faults are said once, and reports can be read back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402

from uaafusion_ros.nodes import diagnostics  # noqa: E402

pytestmark = pytest.mark.ros


def test_what_is_not_accounted_for_is_pending_or_in_flight():
    """The two balances of the tally."""
    tally = diagnostics.Tally()
    for key, count in {'received.rgb': 10, 'received.thermal': 9, 'paired': 6, 'fused': 3,
                       'dropped.rgb.malformed': 2, 'dropped.thermal.stale': 1,
                       'dropped.pair.superseded': 1, 'dropped.pair.failed': 1}.items():
        tally.add(key, count)
    counts = tally.snapshot()
    assert (counts['pending.rgb'], counts['pending.thermal'], counts['in_flight']) == (2, 2, 1)


def test_latencies_are_percentiles_by_name():
    """Names appear when first added."""
    latencies = diagnostics.Latencies()
    assert latencies.values() == {}
    for value in range(101):
        latencies.add('latency', float(value))
    assert latencies.values() == {
        'latency_ms.p50': '50.00', 'latency_ms.p95': '95.00', 'latency_ms.p99': '99.00'}


def test_a_fault_is_said_once_per_period(monkeypatch):
    """Numbers do not make another fault; another fault is not held back."""
    said, now = [], [100.0]
    monkeypatch.setattr(diagnostics, 'monotonic', lambda: now[0])
    voice = diagnostics.Voice(SimpleNamespace(error=said.append, warning=said.append), 5.0)
    voice.error('image of 10 bytes')
    voice.error('image of 11 bytes')
    voice.warning('silence')
    assert said == ['image of 10 bytes', 'silence']
    now[0] += 5.0
    voice.error('image of 12 bytes')
    assert said[2:] == ['image of 12 bytes'] and voice.last == 'image of 12 bytes'


def test_a_report_reads_back_from_its_own_node_alone():
    """Levels follow problem and warning; another node's name reads nothing."""
    array = diagnostics.report(
        stamp=Time(sec=3), node='/left/fusion_node', counts=diagnostics.Tally().snapshot(),
        latencies=diagnostics.Latencies(), facts={'backend': 'x'}, problem='no model', warning='')
    assert [entry.level for entry in array.status] == [
        DiagnosticStatus.OK, DiagnosticStatus.ERROR]
    assert array.status[1].message == 'no model' and array.header.stamp.sec == 3
    values = diagnostics.read(array, '/left/fusion_node')
    assert values['received.rgb'] == values['fused'] == values['in_flight'] == '0'
    assert values['backend'] == 'x'
    assert diagnostics.read(array, '/fusion_node') == {}
