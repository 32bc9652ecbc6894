"""Whatever is counted adds up."""

from __future__ import annotations

from uaafusion_ros.nodes.counters import Counters
from uaafusion_ros.nodes.counters import Latencies


def test_what_is_not_accounted_for_is_pending_or_in_flight():
    """The three balances of the counters."""
    counters = Counters()
    for key, count in {'received.rgb': 10, 'received.thermal': 9, 'paired': 6, 'fused': 3,
                       'dropped.rgb.malformed': 2, 'dropped.thermal.stale': 1,
                       'dropped.pair.superseded': 1, 'dropped.pair.failed': 1,
                       'alone': 9, 'shown': 5, 'dropped.alone.superseded': 1}.items():
        counters.add(key, count)
    counts = counters.snapshot()
    assert (counts['pending.rgb'], counts['pending.thermal'], counts['in_flight']) == (2, 2, 1)
    assert counts['in_flight.alone'] == 3


def test_what_never_happened_is_zero():
    """The keys that others read are there from the beginning."""
    counts = Counters().snapshot()
    assert {'received.rgb', 'paired', 'fused', 'alone', 'shown', 'in_flight'} <= set(counts)
    assert set(counts.values()) == {0}


def test_latencies_are_percentiles_by_name():
    """Names appear when first added."""
    latencies = Latencies()
    assert latencies.values() == {}
    for value in range(101):
        latencies.add({'latency': float(value)})
    assert latencies.values() == {
        'latency_ms.p50': '50.00', 'latency_ms.p95': '95.00', 'latency_ms.p99': '99.00'}
