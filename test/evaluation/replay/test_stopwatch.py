"""Times are collected by stage, and compiling does not flatter the overhead."""

from __future__ import annotations

import time

import pytest

from uaafusion_ros.evaluation.replay.stopwatch import Stopwatch


def test_stages_have_percentiles():
    stopwatch = Stopwatch()
    for value in range(101):
        stopwatch.add('infer', float(value))
    row = stopwatch.report('engine 1')['stages']['infer']
    assert (row['p50'], row['p95'], row['p99'], row['mean'], row['n']) == (50, 95, 99, 50, 101)


def test_the_first_inference_does_not_flatter_the_overhead():
    stopwatch = Stopwatch()
    for infer in (5000.0, 10.0, 10.0, 10.0):
        stopwatch.add('read', 1.5)
        stopwatch.add('pair', 0.5)
        stopwatch.add('infer', infer)
    assert stopwatch.report('')['overhead_share'] == pytest.approx(0.2)


def test_a_live_run_has_no_overhead():
    stopwatch = Stopwatch()
    for stage in ('read', 'pair', 'infer', 'end_to_end'):
        stopwatch.add(stage, 1.0)
    assert stopwatch.report('')['overhead_share'] is None


def test_a_body_is_timed_and_the_machine_named():
    stopwatch = Stopwatch()
    with stopwatch.timed('write'):
        time.sleep(0.02)
    report = stopwatch.report('engine 1')
    assert 15 < report['stages']['write']['p50'] < 2000
    assert report['versions']['engine'] == 'engine 1' and report['machine']['cores'] >= 1
    assert report['frames_per_second'] == 0 and report['overhead_share'] is None
