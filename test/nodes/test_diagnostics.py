"""Reports have their level and can be read back."""

from __future__ import annotations

import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402

from uaafusion_ros.nodes import diagnostics  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.mark.parametrize('texts, level, message', [
    ({}, DiagnosticStatus.OK, 'ok'),
    ({'warning': 'cold'}, DiagnosticStatus.WARN, 'cold'),
    ({'error': 'no model'}, DiagnosticStatus.ERROR, 'no model'),
    ({'warning': 'cold', 'error': 'no model'}, DiagnosticStatus.ERROR, 'no model; cold')])
def test_the_level_follows_the_worst(texts, level, message):
    """And no text is lost."""
    entry = diagnostics.status('pairs', {}, **texts)
    assert (entry.level, entry.message) == (level, message)


def test_a_report_reads_back_from_its_own_node_alone():
    """Another node's name reads nothing."""
    array = diagnostics.report(Time(sec=3), '/left/fusion_node', [
        diagnostics.status('cameras', {'received.rgb': 0, 'rate_hz.rgb': '29.97'}),
        diagnostics.status('engine', {'backend': 'x'})])
    assert [entry.name for entry in array.status] == [
        '/left/fusion_node: cameras', '/left/fusion_node: engine']
    assert array.header.stamp.sec == 3
    assert diagnostics.read(array, '/left/fusion_node') == {
        'received.rgb': '0', 'rate_hz.rgb': '29.97', 'backend': 'x'}
    assert diagnostics.read(array, '/fusion_node') == {}


def test_a_debounced_text_needs_as_many_turns_to_come_as_to_go():
    debounce = diagnostics.Debounce(turns=3)
    shown = [debounce.update(text) for text in (
        'a', '', 'a', 'a', 'b', 'c', '', 'd', '', '', '')]
    assert shown == ['', '', '', '', 'b', 'c', 'c', 'd', 'd', 'd', '']
