"""The books of the demo: every missing pair gets its reason, and a hole in the books is seen."""

from __future__ import annotations

import math

import pytest

from uaafusion_ros.demo.outcome import Arrival
from uaafusion_ros.demo.outcome import pair_up
from uaafusion_ros.demo.outcome import Sent
from uaafusion_ros.demo.outcome import settle

SENT = [Sent(1000 + n, 5_000_000 + n) for n in range(100)]


def arrivals(count, delay_ns=40_000_000):
    return [Arrival(pair.stamp_ns, pair.published_ns + delay_ns) for pair in SENT[:count]]


def counts(**changes):
    numbers = {
        'received.rgb': 100, 'received.thermal': 100, 'paired': 100, 'fused': 100,
        'pending.rgb': 0, 'pending.thermal': 0, 'in_flight': 0}
    numbers.update({key.replace('__', '.'): value for key, value in changes.items()})
    return {**{key: str(value) for key, value in numbers.items()}, 'latency.p50_ms': '12.5'}


def test_all_fused():
    outcome = settle(SENT, arrivals(100), counts())
    assert outcome.passed and not outcome.lost
    assert (outcome.sent, outcome.received, outcome.fused) == (100, 100, 100)
    assert outcome.latency_p50_ms == outcome.latency_p95_ms == pytest.approx(40.0)
    assert 'fused 100 (100.0 %), dropped: none; latency p50 40.0 ms' in outcome.line()


@pytest.mark.parametrize('lost, changes', [
    ({'lost before the node': 2}, {
        'received__rgb': 98, 'received__thermal': 99, 'paired': 98, 'fused': 98,
        'dropped__thermal__expired': 1}),
    ({'rgb expired': 2}, {
        'paired': 98, 'fused': 98, 'dropped__rgb__expired': 2, 'dropped__thermal__expired': 1}),
    ({'superseded': 1, 'failed': 1}, {
        'fused': 98, 'dropped__pair__superseded': 1, 'dropped__pair__failed': 1}),
    ({'lost after the node': 2}, {}),
    ({'thermal waiting at the end': 2}, {'paired': 98, 'fused': 98, 'pending.thermal': 2}),
])
def test_two_missing_pairs_are_explained(lost, changes):
    outcome = settle(SENT, arrivals(98), counts(**changes))
    assert dict(outcome.lost) == lost
    assert outcome.passed and outcome.fused == 98
    assert all(reason in outcome.line() for reason in lost)


def test_too_few_fail_even_when_explained():
    outcome = settle(SENT, arrivals(94), counts(fused=94, dropped__pair__superseded=6))
    assert outcome.unexplained == 0 and not outcome.passed


@pytest.mark.parametrize('report', [
    {}, counts(fused=98), counts(paired=98, fused=98), counts(fused=90),
    counts(received__rgb=101, received__thermal=101)])
def test_a_missing_pair_without_a_reason_fails(report):
    outcome = settle(SENT, arrivals(98), report)
    assert outcome.unexplained == 2 and not outcome.passed
    assert '2 missing without a reason' in outcome.line()


def test_a_node_that_never_reported_fails():
    assert not settle(SENT, arrivals(100), {}).passed


def test_a_stamp_that_was_never_sent_fails():
    outcome = settle(SENT, [*arrivals(99), Arrival(SENT[99].stamp_ns + 1, 0)], counts())
    assert outcome.foreign == 1 and outcome.fused == 99 and not outcome.passed


def test_a_repeated_stamp_fails():
    outcome = settle(SENT, [*arrivals(100), *arrivals(1)], counts())
    assert outcome.repeated == 1 and not outcome.passed


def test_nothing_sent_fails_without_a_latency():
    outcome = settle([], [], counts())
    assert not outcome.passed and math.isnan(outcome.latency_p50_ms)


def test_a_pair_counts_from_its_later_image():
    log = [['/rgb', 10, 100], ['/thermal', 12, 130], ['/thermal', 22, 210], ['/rgb', 20, 220],
           ['/rgb', 30, 300]]
    assert pair_up(log, '/rgb', '/thermal') == [Sent(10, 130), Sent(20, 220)]
