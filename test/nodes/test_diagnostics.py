"""Counts add up, faults are said once, and reports can be read back."""

from __future__ import annotations

from threading import Thread
import time
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
    """The key tells faults apart, so a camera's number does; another fault is not held back."""
    said, now = [], [100.0]
    monkeypatch.setattr(diagnostics, 'monotonic', lambda: now[0])
    voice = diagnostics.Voice(SimpleNamespace(error=said.append, warning=said.append), 5.0)
    voice.error('camera0: image of 10 bytes', 'camera0 malformed')
    voice.error('camera0: image of 11 bytes', 'camera0 malformed')
    voice.error('camera1: image of 10 bytes', 'camera1 malformed')
    voice.warning('silence')
    voice.warning('silence')
    assert said == ['camera0: image of 10 bytes', 'camera1: image of 10 bytes', 'silence']
    assert voice.last('camera0 malformed') == 'camera0: image of 11 bytes'
    assert voice.last_error == 'camera1: image of 10 bytes', 'a warning is no error'
    now[0] += 5.0
    voice.error('camera0: image of 12 bytes', 'camera0 malformed')
    assert said[3:] == ['camera0: image of 12 bytes']


def test_two_threads_may_speak_at_once():
    """One of them looks what was said before while the other is about to say the same."""
    class Slow(dict):
        def get(self, *arguments):
            found = super().get(*arguments)
            time.sleep(0.05)
            return found

    said = []
    voice = diagnostics.Voice(SimpleNamespace(error=said.append))
    voice._said = Slow()
    threads = [Thread(target=voice.error, args=('hot',)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ['hot']


def test_a_fault_is_recent_while_its_count_rises():
    """The text is the last one, the number that of this period."""
    voice = diagnostics.Voice(SimpleNamespace(error=lambda text: None))
    voice.error('16:9 on 4:3', 'dropped.pair.failed')
    counts = {'dropped.pair.failed': 5}
    assert diagnostics.recent('dropped.pair.failed', counts, {}, voice) == [
        '16:9 on 4:3 (5 since the last report)']
    assert diagnostics.recent('dropped.pair.failed', counts, counts, voice) == []


def test_a_report_reads_back_from_its_own_node_alone():
    """Levels follow problem and warning; another node's name reads nothing."""
    array = diagnostics.report(
        stamp=Time(sec=3), node='/left/fusion_node', counts=diagnostics.Tally().snapshot(),
        latencies=diagnostics.Latencies(), rates_hz={'rgb': 29.97}, facts={'backend': 'x'},
        problem='no model', warning='')
    assert [entry.level for entry in array.status] == [
        DiagnosticStatus.OK, DiagnosticStatus.ERROR]
    assert array.status[1].message == 'no model' and array.header.stamp.sec == 3
    values = diagnostics.read(array, '/left/fusion_node')
    assert values['received.rgb'] == values['fused'] == values['in_flight'] == '0'
    assert values['backend'] == 'x' and values['rate_hz.rgb'] == '29.97'
    assert 'rate_hz.rgb' in {item.key for item in array.status[0].values}
    assert diagnostics.read(array, '/fusion_node') == {}
