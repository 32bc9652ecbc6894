"""What the benchmarks compute of their measurements; no time is judged here."""

from __future__ import annotations

import time

from uaafusion_ros.harness import measures


def test_contenders_take_turns_and_none_is_always_first():
    calls: list[str] = []
    contenders = {name: lambda name=name: calls.append(name) for name in 'abc'}
    found = measures.rounds(contenders, 3, warm_up=1, rest_s=0.0)
    assert [sorted(calls[i:i + 3]) for i in range(0, 12, 3)] == [['a', 'b', 'c']] * 4
    assert sorted(calls[3::3]) == ['a', 'b', 'c']
    assert list(found) == ['a', 'b', 'c']
    assert all(0 <= row['p50_ms'] <= row['p95_ms'] and row['cpu_ms'] >= 0
               for row in found.values())


def test_the_warm_up_does_not_count():
    sleeps = iter((0.2, 0.0, 0.0, 0.0))
    found = measures.rounds({'a': lambda: time.sleep(next(sleeps))}, 3, warm_up=1, rest_s=0.0)
    assert found['a']['p95_ms'] < 150


def test_medians_go_number_by_number():
    runs = [{'a': 1.0, 'b': {'c': [10, 1]}, 'drops': {}, 'none': None},
            {'a': 5.0, 'b': {'c': [30, 2]}, 'drops': {'late': 7}, 'none': None},
            {'a': 2.0, 'b': {'c': [20, 9]}, 'drops': {'late': 4}, 'none': 3.0}]
    assert measures.median_of(runs) == {
        'a': 2.0, 'b': {'c': [20, 2]}, 'drops': {'late': 4}, 'none': 3.0}


def test_a_group_that_one_run_lacks_is_left_out_there():
    assert measures.median_of([{'rate': 0.0}, {'rate': 2.0, 'latency': {'p50': 8.0}}]) == {
        'rate': 1.0, 'latency': {'p50': 8.0}}
    assert measures.median_of([None, None]) is None


def test_a_ratio_is_taken_within_each_run():
    assert measures.ratio([(10.0, 5.0), (9.0, 3.0), (8.0, 8.0)]) == {
        'median': 2.0, 'low': 1.0, 'high': 3.0}


def test_percentiles_and_their_absence():
    assert measures.spread([1.0, 2.0, 3.0])['p50'] == 2.0
    assert measures.spread([]) == {'p50': None, 'p95': None, 'p99': None, 'mean': None}
