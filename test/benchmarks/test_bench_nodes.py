"""The node benchmark's accounting, the plain node's parts, and a short run over DDS."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('rosbags')

import common  # noqa: E402
import node  # noqa: E402
import node_rig  # noqa: E402
import peers  # noqa: E402
import plain_node  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
import report  # noqa: E402
import scaling  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from uaafusion_ros.nodes.messages import image_from_array  # noqa: E402
from uaafusion_ros.nodes.messages import ns_from_stamp  # noqa: E402

pytestmark = pytest.mark.ros
MS = 10 ** 6


def test_figures_of_a_stream_that_is_known():
    """Ten pairs 100 ms apart, 4 ms of processor each; the first four are the time to settle."""
    log = [(number * 100 * MS, number * 0.004) for number in range(11)]
    out = {number * 100 * MS: (number * 100 + 20) * MS for number in range(10) if number != 7}
    found = node_rig.figures(log, out, 0.4)
    assert (found['sent'], found['out']) == (6, 5)
    assert found['input_hz'] == pytest.approx(10.0)
    assert found['output_hz'] == pytest.approx(8.0)  # four gaps in 500 ms
    assert found['latency_ms']['p50'] == found['latency_ms']['p99'] == 20.0
    assert found['cpu_between_ms']['p95'] == pytest.approx(4.0)
    assert found['cpu_ms'] == pytest.approx(6 * 4.0 / 5)


def test_nothing_that_comes_out_is_no_error():
    found = node_rig.figures([(0, 0.0), (100 * MS, 0.1), (200 * MS, 0.2)], {}, 5.0)
    assert (found['sent'], found['out'], found['output_hz'], found['cpu_ms']) == (1, 0, 0.0, None)


def test_drops_are_those_of_the_phase_and_of_the_way():
    before = {'received.rgb': 10, 'received.thermal': 10, 'dropped.pair.superseded': 3}
    after = {'received.rgb': 30, 'received.thermal': 29, 'dropped.pair.superseded': 5,
             'dropped.rgb.expired': 1}
    assert node_rig.dropped(before, after, 20) == {
        'pair.superseded': 2, 'rgb.expired': 1, 'transport.thermal': 1}
    assert node_rig.dropped({}, {}, 20) == {}


def test_a_stamp_is_written_into_a_serialised_image():
    shown = np.arange(12, dtype=np.uint16).reshape(3, 4)
    data = bytearray(serialize_message(image_from_array(shown, 'mono16', 0, 'thermal')))
    message = deserialize_message(peers.stamped(data, 1_700_000_000_123_456_789), Image)
    assert ns_from_stamp(message.header.stamp) == 1_700_000_000_123_456_789
    assert message.header.frame_id == 'thermal'
    assert np.array_equal(np.frombuffer(message.data, np.uint16).reshape(3, 4), shown)


@pytest.mark.parametrize('encoding, dtype', [('mono8', np.uint8), ('mono16', np.uint16)])
def test_the_cameras_show_pictures_that_differ(encoding, dtype):
    made = peers.pictures((64, 48), encoding)
    assert {(rgb.shape, heat.shape, heat.dtype) for rgb, heat in made} == {
        ((48, 64, 3), (48, 64), np.dtype(dtype))}
    assert len({heat.tobytes() for _, heat in made}) == len(made) > 6


def test_the_processor_time_of_another_process_is_read():
    child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    try:
        before = peers.processor_s(child.pid)
        deadline = time.monotonic() + 20
        while peers.processor_s(child.pid) - before < 0.05 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert peers.processor_s(child.pid) - before >= 0.05
    finally:
        child.kill()
        child.wait()


def test_the_plain_node_converts_both_ways():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    message = plain_node.to_message(pixels, 'rgb8', Image().header)
    assert (message.height, message.width, message.step) == (6, 8, 24)
    assert np.array_equal(plain_node.to_array(message, 'bgr8'), pixels[..., ::-1])
    counts = pixels[..., 0].astype(np.uint16) * 200
    message = plain_node.to_message(counts, 'mono16', Image().header)
    assert np.array_equal(plain_node.to_array(message, 'mono16'), counts)


def _stamped(stamp_ns: int) -> Image:
    message = Image()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10 ** 9)
    return message


def test_the_plain_node_pairs_the_nearest_within_the_slop():
    pairs = []
    pairing = plain_node.ApproximateTime(3, 50 * MS, lambda *pair: pairs.append(
        tuple(ns_from_stamp(message.header.stamp) // MS for message in pair)))
    for topic, stamp in ((0, 1000), (0, 1030), (1, 1040), (1, 2000), (0, 2050), (0, 2049)):
        pairing.add(topic, _stamped(stamp * MS))
    # 2050 is 50 ms away, not below the slop.
    assert pairs == [(1030, 1040), (2049, 2000)]


def test_the_plain_node_forgets_the_oldest():
    pairs = []
    pairing = plain_node.ApproximateTime(2, 50 * MS, lambda *pair: pairs.append(pair))
    for stamp in (1000, 2000, 3000):
        pairing.add(0, _stamped(stamp * MS))
    pairing.add(1, _stamped(1000 * MS))
    assert not pairs
    pairing.add(1, _stamped(2000 * MS))
    assert len(pairs) == 1


def _row(**changed) -> dict:
    return {**node_rig.figures([(0, 0.0), (100 * MS, 0.01), (200 * MS, 0.02), (300 * MS, 0.03)],
                               {0: 9 * MS, 100 * MS: 110 * MS}, 0.0),
            'dropped': {'pair.superseded': 1}, 'memory_mb': {'before': 90.0, 'after': 91.0},
            **changed}


def test_tables_and_the_document():
    runs = [{'rates': {name: {'10': _row(cpu_ms=cost)} for name, cost in (
        (node.OURS_HOLLOW, 4.0), (node.USUAL_HOLLOW, 10.0))}}]
    result = {
        **common.provenance(common.QUICK),
        'engine': {'error': 'no runtime'},
        'node': {'rates': {node.OURS: {'10': _row()}}, 'usual_over_ours': {
            'without engine, 10 Hz': common.ratio([(10.0, 4.0)])},
            'overload': {node.OURS: {'capacity_hz': 5.0, 'p95_over_service': 1.5, **_row()},
                         node.USUAL: {'capacity_hz': 0.0}}},
        'scaling': {'sizes': {'320x256': _row(), '640x480': _row(cpu_ms=None)},
                    'pairs': {'1': [_row()], '2': [_row(), _row()]}}}
    text = report.markdown(json.loads(json.dumps(result)))
    assert 'Not measured: no runtime' in text
    assert '| without engine, 10 Hz | 2.50 | 2.50 | 2.50 |' in text
    assert '| shipped | 5.0 | 10.0 | 9.9 |' in text
    assert 'pair.superseded 1' in text
    assert scaling.table(result['scaling']).count('\n| 2 |') == 2
    document = f'before\n{report.BEGIN}\nold\n{report.END}\nafter\n'
    once = report.filled(document, text)
    assert once == report.filled(once, text)
    assert once.startswith('before\n') and once.endswith('\nafter\n')
    assert 'old' not in once
    with pytest.raises(ValueError, match='needs the lines'):
        report.filled('nothing', text)
    assert node.compare([{'rates': {
        **runs[0]['rates'], node.OURS: {}, node.USUAL: {}}}]) == {
            'without engine, 10 Hz': {'median': 2.5, 'low': 2.5, 'high': 2.5}}


@pytest.mark.slow
@pytest.mark.parametrize('kind', [
    node_rig.HOLLOW, node_rig.PLAIN_HOLLOW, node_rig.PLAIN_LOGITS],
    ids=['shipped', 'plain', 'plain with logits'])
def test_a_node_is_measured_over_dds(kind, tmp_path):
    """Every kind of node publishes a pair for a pair, and its cost is seen."""
    if kind is node_rig.PLAIN_LOGITS:
        pytest.importorskip('torch')
    with node_rig.Rig(kind, common.QUICK, tmp_path) as tested:
        row = tested.play(10.0, 2.5)['']
    assert row['sent'] >= 10
    assert row['out'] >= 0.8 * row['sent']
    assert 0 < row['latency_ms']['p50'] < 5e3
    assert row['cpu_ms'] > 0 and row['memory_mb']['after'] > 10
