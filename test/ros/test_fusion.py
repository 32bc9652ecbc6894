"""A pair goes in over DDS and comes out fused: stamps, colours, rows, counts, laziness."""

from __future__ import annotations

import numpy as np
import pytest
from robot import OUTPUTS
from robot import until

pytestmark = pytest.mark.ros

WIDTH, HEIGHT = 160, 120


def pixels(message) -> np.ndarray:
    """Return the image of an rgb8 or mono8 message."""
    channels = {'rgb8': 3, 'mono8': 1}[message.encoding]
    assert message.step == message.width * channels
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, channels)


@pytest.mark.parametrize('camera', [
    ('--rgb-encoding', 'rgb8', '--thermal-encoding', 'mono8'),
    ('--rgb-encoding', 'bgr8', '--thermal-encoding', 'mono16', '--padding', '13'),
], ids=['rgb8_mono8', 'padded_bgr8_mono16'])
def test_pairs_come_out_fused(robot, camera):
    """Stamps are exact, red stays red and in its place, the hot square shines, all is counted."""
    listener = robot.listener
    listener.hear(*OUTPUTS, 'fused/camera_info')
    node = robot.active()
    sent = robot.camera('--count', '12', '--rate', '5', '--info', *camera).result()
    until(lambda: len(listener.images['/fused/image']) == 12, 5.0)
    counts = listener.counts()

    assert not [line for line in node.lines if 'ERROR' in line]
    assert counts['received.rgb'] == counts['received.thermal'] == counts['paired'] == 12
    assert counts['fused'] + sum(
        count for key, count in counts.items() if key.startswith('dropped.pair.')) == 12
    assert counts['fused'] >= 10
    for topic in OUTPUTS:
        got = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
               for message in listener.images[f'/{topic}']]
        assert len(got) == counts['fused'] and set(got) <= set(sent['stamps']), topic
        assert got == sorted(got)
        assert {message.header.frame_id for message in listener.images[f'/{topic}']} == {
            'rgb_optical'}
    infos = listener.images['/fused/camera_info']
    assert infos and all(info.k[0] == 123.0 and info.header.frame_id == 'rgb_optical'
                         for info in infos)
    assert {(i.header.stamp.sec, i.header.stamp.nanosec) for i in infos} <= {
        (m.header.stamp.sec, m.header.stamp.nanosec) for m in listener.images['/fused/image']}

    fused = pixels(listener.images['/fused/image'][-1]).astype(int)
    assert fused.shape == (HEIGHT, WIDTH, 3)
    inside = fused[HEIGHT // 4 + 8:3 * HEIGHT // 4 - 8, 8:WIDTH // 2 - 8].reshape(-1, 3)
    outside = fused[:HEIGHT // 4 - 8, :WIDTH // 2 - 8].reshape(-1, 3)
    redness = inside[:, 0] - inside[:, 2]
    assert np.percentile(redness, 5) > 60, 'the red square is not red in the fused image'
    assert np.percentile(np.abs(outside[:, 0] - outside[:, 2]), 95) < 30, 'red has spread'
    hot = fused[HEIGHT // 2 - 8:HEIGHT // 2 + 8, 3 * WIDTH // 4 - 8:3 * WIDTH // 4 + 8]
    assert hot.mean() > outside.mean() + 40, 'the hot square does not show in the fused image'
    assert pixels(listener.images['/segmentation/mask'][-1]).shape == (HEIGHT, WIDTH, 1)
    assert pixels(listener.images['/segmentation/confidence'][-1]).max() > 127
    assert pixels(listener.images['/segmentation/overlay'][-1]).shape == (HEIGHT, WIDTH, 3)


def test_thermal_can_be_the_reference(robot):
    """With sync.reference thermal, outputs carry the thermal frame_id."""
    robot.listener.hear('fused/image')
    robot.active(sync__reference='thermal')
    robot.camera('--count', '6', '--rate', '5').result()
    until(lambda: robot.listener.images['/fused/image'], 5.0)
    assert {message.header.frame_id for message in robot.listener.images['/fused/image']} == {
        'thermal_optical'}


def test_nothing_is_computed_where_nobody_listens(robot):
    """Pairs without a listener are counted as such; one listener is served from then on."""
    listener = robot.listener
    robot.active()
    robot.camera('--rate', '10')
    until(lambda: listener.counts().get('dropped.pair.no_listener', 0) > 5)
    before = listener.counts()
    assert before['dropped.pair.no_listener'] > 5 and before['fused'] == 0
    listener.hear('segmentation/mask')
    assert until(lambda: len(listener.images['/segmentation/mask']) > 3)
    counts = listener.counts()
    assert counts['fused'] > 3
    assert counts['paired'] == counts['fused'] + counts['in_flight'] + sum(
        count for key, count in counts.items() if key.startswith('dropped.pair.'))
    values = listener.values()
    assert float(values['latency_ms.p50']) > 0 and float(values['processing_ms.p99']) > 0
    assert [key for key in values if key.startswith('stage.')]
    assert values['backend'] and values['model'] == 'fast'
