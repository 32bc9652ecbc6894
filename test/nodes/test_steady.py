"""Warnings that neither flicker nor come too late."""

from __future__ import annotations

from uaafusion_ros.nodes.steady import Steady


def test_a_text_needs_as_many_turns_to_come_as_to_go():
    steady = Steady(turns=3)
    shown = [steady.update(text) for text in (
        'a', '', 'a', 'a', 'b', 'c', '', 'd', '', '', '')]
    assert shown == ['', '', '', '', 'b', 'c', 'c', 'd', 'd', 'd', '']
