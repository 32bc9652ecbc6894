"""Whatever is counted adds up."""

from __future__ import annotations

from uaafusion_ros.nodes.tally import Tally


def test_what_is_not_accounted_for_is_pending_or_in_flight():
    """The three balances of the tally."""
    tally = Tally()
    for key, count in {'received.rgb': 10, 'received.thermal': 9, 'paired': 6, 'fused': 3,
                       'dropped.rgb.malformed': 2, 'dropped.thermal.stale': 1,
                       'dropped.pair.superseded': 1, 'dropped.pair.failed': 1,
                       'alone': 9, 'shown': 5, 'dropped.alone.superseded': 1}.items():
        tally.add(key, count)
    counts = tally.snapshot()
    assert (counts['pending.rgb'], counts['pending.thermal'], counts['in_flight']) == (2, 2, 1)
    assert counts['in_flight.alone'] == 3


def test_what_never_happened_is_zero():
    """The keys that others read are there from the beginning."""
    counts = Tally().snapshot()
    assert {'received.rgb', 'paired', 'fused', 'alone', 'shown', 'in_flight'} <= set(counts)
    assert set(counts.values()) == {0}
