"""Three times more images than inference can take: the newest are fused, the rest is counted."""

from __future__ import annotations

from collections.abc import Callable
import statistics
import time

import pytest
from robot import until
from sensor_msgs.msg import Image
from source import Source

from uaafusion_ros.harness.processes import held
from uaafusion_ros.nodes.messages import ns_from_stamp

pytestmark = [pytest.mark.ros, pytest.mark.slow]

SIZE = (320, 240)
SECONDS = 10.0


def _percentile(values: list[float], percent: float) -> float:
    return sorted(values)[min(len(values) - 1, round(percent / 100 * len(values)))]


def _intervals(outputs: list[tuple[float, float]]) -> list[float]:
    return [later - earlier for (earlier, _), (later, _) in zip(outputs, outputs[1:])]


def _flood(source: Source, rate_hz: float, seconds: float,
           each: Callable[[], object] = lambda: None) -> int:
    """Send pairs at this rate, with a call for each; return their number."""
    start, sent = time.monotonic(), 0
    while time.monotonic() < start + seconds:
        source.send_pair(time.time_ns())
        each()
        sent += 1
        time.sleep(max(0.0, start + sent / rate_hz - time.monotonic()))
    return sent


def test_at_three_times_its_capacity_the_node_stays_prompt_and_flat(robot, record_property):
    """
    Latency from stamp to listener is at p95 below twice the mean service time of the same run.

    The service time is the time between two outputs of a worker that never waits. Every pair
    is fused or counted as superseded, and memory and threads at the end are those of the start.
    """
    listener = robot.listener
    outputs: list[tuple[float, float]] = []
    listener.node.create_subscription(Image, '/fused/image', lambda message: outputs.append((
        time.monotonic(), (time.time_ns() - ns_from_stamp(message.header.stamp)) / 1e9)), 50)
    node = robot.active(engine__warmup_size=list(SIZE), engine__threads=1)
    source = Source(listener, size=SIZE)
    assert source.matched()
    _flood(source, 60.0, 3.0)  # more than any machine here can fuse: its capacity
    capacity_hz = 1.0 / statistics.mean(_intervals(outputs[2:]))
    memory: list[float] = []
    threads = held(node.pid)['threads']
    began = time.monotonic()
    sent = _flood(source, 3.0 * capacity_hz, SECONDS,
                  lambda: memory.append(held(node.pid)['private'] / 1024))
    ended = time.monotonic()
    until(lambda: listener.counts()['in_flight'] == 0)
    counts = listener.counts()
    busy = [output for output in outputs if began + 1.0 < output[0] < ended]
    service_s, latency_s = _intervals(busy), [latency for _, latency in busy]
    fused_hz = 1.0 / statistics.mean(service_s)
    figures = {
        'input_hz': sent / SECONDS, 'fused_hz': fused_hz, 'service_ms': 1e3 / fused_hz,
        **{f'latency_ms.p{percent}': _percentile(latency_s, percent) * 1e3
           for percent in (50, 95)},
        'superseded': counts['dropped.pair.superseded'], 'memory_mb': (memory[10], memory[-1])}
    record_property('figures', figures)
    print(f'\n{figures}')
    assert sent / SECONDS > 2.5 * fused_hz, 'this was no overload'
    assert _percentile(latency_s, 95) <= 2.0 / fused_hz, figures
    assert counts['received.rgb'] == counts['received.thermal'] == source.sent['rgb']
    dropped = {key: count for key, count in counts.items()
               if key.startswith('dropped.pair.') and count}
    assert set(dropped) == {'dropped.pair.superseded'}
    assert counts['fused'] + dropped['dropped.pair.superseded'] == counts['paired']
    assert dropped['dropped.pair.superseded'] > sent / 3
    assert counts['paired'] >= 0.99 * source.sent['rgb']
    assert memory[-1] < 1.05 * memory[10], memory
    assert held(node.pid)['threads'] == threads


def test_a_camera_that_changes_its_size_loses_three_pairs_at_most(robot):
    """The engine for the new size is compiled beside the images, and runs them then."""
    listener = robot.listener
    listener.hear('fused/image')
    robot.active(engine__warmup_size=[128, 96], engine__threads=1, engine__backend='openvino')
    source = Source(listener, size=(128, 96))
    assert source.matched()
    _flood(source, 10.0, 2.0)
    before = listener.counts()
    source.resize((192, 128))
    sent = _flood(source, 10.0, 5.0)
    found = listener.images['/fused/image']
    until(lambda: len([image for image in found if image.width == 192]) >= sent)
    lost = sent - len([image for image in found if image.width == 192])
    counts = listener.counts()
    assert lost <= 3, (lost, before, counts)
    assert listener.values()['backend'].startswith('openvino')
