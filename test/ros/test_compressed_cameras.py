"""JPEG and PNG topics in, JPEG out."""

from __future__ import annotations

from itertools import count
import struct
import zlib

import cv2
import numpy as np
import pytest
from robot import START_S
from robot import until
from sensor_msgs.msg import CompressedImage

from uaafusion_ros.harness.processes import held

pytestmark = [pytest.mark.ros, pytest.mark.slow]
BOTH = {'input__rgb_transport': 'compressed', 'input__thermal_transport': 'compressed'}


def _hear_jpeg(listener) -> list[CompressedImage]:
    heard = []
    listener.node.create_subscription(
        CompressedImage, '/fused/image/compressed', heard.append, 10)
    return heard


@pytest.mark.parametrize('container', ['jpeg', 'png'])
def test_compressed_cameras_are_fused_and_jpeg_comes_out(robot, container):
    """Red stays red through both conversions; sixteen bits of thermal survive."""
    listener = robot.listener
    jpegs = _hear_jpeg(listener)
    node = robot.active(**BOTH)
    robot.camera('--compress', container, '--thermal-encoding', 'mono16', '--rate', '5')
    assert until(lambda: len(jpegs) > 3, START_S), node.lines
    message = jpegs[-1]
    assert message.format == 'rgb8; jpeg compressed bgr8'
    assert message.header.frame_id == 'rgb_optical'
    image = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR).astype(int)
    inside = image[40:80, 10:70].reshape(-1, 3)
    assert np.percentile(inside[:, 2] - inside[:, 0], 5) > 60, 'the red square is not red'
    hot, cold = image[60, 120].mean(), image[10, 120].mean()
    assert hot > cold + 40, 'the hot square does not show'
    counts = listener.counts()
    assert counts['fused'] and not counts.get('dropped.pair.failed')


def test_jpeg_is_made_only_where_somebody_listens(robot):
    """Pairs without a listener are counted as such."""
    listener = robot.listener
    robot.active()
    robot.camera('--rate', '5')
    assert until(lambda: listener.counts().get('dropped.pair.no_listener', 0) > 2, START_S)
    jpegs = _hear_jpeg(listener)
    assert until(lambda: jpegs, START_S)


def test_a_camera_of_the_other_transport_is_named(robot):
    """The warning says what to set."""
    node = robot.active(input__timeout_s=0.5)
    robot.camera('--compress', 'jpeg', '--wait', '0.1')
    line = node.wait_for('set input.rgb_transport to compressed')
    assert '/rgb/image_raw/compressed is published' in line


def _bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (struct.pack('>I', len(data)) + kind + data
                + struct.pack('>I', zlib.crc32(kind + data)))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack(
        '>IIBBBBB', 10_000, 10_000, 8, 2, 0, 0, 0))
        + chunk(b'IDAT', zlib.compress(bytes(10_000))) + chunk(b'IEND', b''))


def test_bad_files_are_refused_and_the_next_pair_is_fused(robot):
    """A bomb, a cut file and no file at all: each counted with its reason, none unpacked."""
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.active(**BOTH)
    publisher = listener.node.create_publisher(CompressedImage, '/rgb/image_raw/compressed', 5)
    good = cv2.imencode('.jpg', np.zeros((120, 160, 3), np.uint8))[1].tobytes()
    stamps = count(1_700_000_000)

    def refused(*files: bytes) -> int:
        for data in files:
            message = CompressedImage(format='jpeg', data=data)
            message.header.stamp.sec = next(stamps)
            publisher.publish(message)
        return listener.counts().get('dropped.rgb.malformed', 0)

    # Sent until it is heard: a publisher sees its reader before the reader sees the publisher.
    assert until(lambda: refused(_bomb()))
    before = listener.counts()['dropped.rgb.malformed']
    assert refused(good[:-40], b'no image', b'') == before + 3
    assert 'more than 16000000 pixels' in node.wait_for('ERROR')
    assert held(node.pid)['peak'] < 1_500_000
    robot.camera('--compress', 'jpeg', '--rate', '5')
    assert until(lambda: listener.images['/fused/image'], START_S), listener.counts()
