"""The simulated cameras: what they send can be told, counted and is what was asked for."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')

import rclpy  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import CompressedImage  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from uaafusion_ros.harness.camera import Cameras  # noqa: E402
from uaafusion_ros.harness.camera import stamped  # noqa: E402
from uaafusion_ros.harness.pictures import scene  # noqa: E402
from uaafusion_ros.nodes.messages import image_from_array  # noqa: E402
from uaafusion_ros.nodes.messages import ns_from_stamp  # noqa: E402

pytestmark = pytest.mark.ros
SIZE = ('--size', 64, 48)


class Ear:
    """Hears both cameras, reliably."""

    def __init__(self, kind=Image, suffix=''):
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node('ear', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.heard = {'rgb': [], 'thermal': []}
        for camera, messages in self.heard.items():
            self._node.create_subscription(
                kind, f'/{camera}/image_raw{suffix}', messages.append, 100)

    def until(self, condition, timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)
        return condition()

    def close(self):
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def ear():
    ears = []

    def make(*arguments):
        ears.append(Ear(*arguments))
        return ears[-1]

    yield make
    for each in ears:
        each.close()


def test_pairs_are_sent_as_asked_and_counted(ear):
    """Two cameras, one stamp, rows with padding, sixteen bits; the last event counts them."""
    both = ear()
    with Cameras(*SIZE, '--reliable', '--count', 6, '--rate', 20, '--thermal-encoding', 'mono16',
                 '--rgb-encoding', 'bgr8', '--padding', 13) as cameras:
        both.until(lambda: cameras.exit_code is not None)
        both.until(lambda: len(both.heard['thermal']) == 6, 2.0)
        assert cameras.stop() == 0, cameras.lines
    last = cameras.events()[-1]
    assert (last['rgb'], last['thermal']) == (6, 6)
    for messages in both.heard.values():
        assert [ns_from_stamp(message.header.stamp) for message in messages] == last['stamps']
        assert all(a.data != b.data for a, b in zip(messages, messages[1:]))
    rgb, thermal = both.heard['rgb'][0], both.heard['thermal'][0]
    assert (rgb.encoding, rgb.step, rgb.header.frame_id) == ('bgr8', 64 * 3 + 13, 'rgb_optical')
    assert (thermal.encoding, thermal.step) == ('mono16', 64 * 2 + 13)
    shown = np.frombuffer(rgb.data, np.uint8).reshape(48, rgb.step)[:, :64 * 3].reshape(48, 64, 3)
    expected = scene(64, 48)[1]
    assert np.abs(shown[..., ::-1].astype(int) - expected).max() <= 1


def test_compressed_images_hold_the_same_scene(ear):
    both = ear(CompressedImage, '/compressed')
    with Cameras(*SIZE, '--reliable', '--compress', 'png', '--thermal-encoding', 'mono16'):
        assert both.until(lambda: all(map(len, both.heard.values())))
    rgb, thermal = (both.heard[camera][0] for camera in ('rgb', 'thermal'))
    assert (rgb.format, thermal.format) == (
        'rgb8; png compressed bgr8', 'mono16; png compressed ')
    pixels = cv2.imdecode(np.frombuffer(rgb.data, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(pixels[..., ::-1].astype(int) - scene(64, 48)[1]).max() <= 1
    assert cv2.imdecode(np.frombuffer(thermal.data, np.uint8), -1).dtype == np.uint16


def test_two_processes_make_pairs_and_do_what_they_are_told(ear):
    """One trigger for both; a fault begins at the frame that the answer names."""
    both = ear()
    common = (*SIZE, '--reliable', '--rate', 20, '--pictures', 'blocks', '--stamp', 'trigger')
    with Cameras('--cameras', 'rgb', *common) as rgb, \
            Cameras('--cameras', 'thermal', *common) as thermal:
        assert both.until(lambda: all(len(heard) > 3 for heard in both.heard.values()))
        frozen = thermal.tell('thermal', 'freeze')
        silent = rgb.tell('rgb', 'silent')
        both.until(lambda: False, 0.5)
        back = rgb.tell('rgb', 'spoil short 2')
        both.until(lambda: False, 0.6)

    def numbers(camera):
        return [round(ns_from_stamp(message.header.stamp) * 20 / 1e9)
                for message in both.heard[camera]]

    assert set(numbers('rgb')) & set(numbers('thermal'))
    assert not [number for number in numbers('rgb') if silent <= number < back]
    images = [bytes(message.data) for message, number in zip(
        both.heard['thermal'], numbers('thermal')) if number >= frozen]
    assert len(images) > 10 and len(set(images)) == 1
    lengths = [len(message.data) for message, number in zip(
        both.heard['rgb'], numbers('rgb')) if number >= back]
    assert len(lengths) > 5 and all(a != b for a, b in zip(lengths, lengths[1:]))


def test_the_cameras_end_with_their_input(ear):
    """As when the process that started them is killed."""
    with Cameras(*SIZE, '--wait', 0) as cameras:
        cameras.tell('rgb', 'run')
        cameras.close_input()
        assert cameras.wait(10.0) == 0


def test_a_stamp_is_written_into_a_serialised_image():
    from rclpy.serialization import deserialize_message
    from rclpy.serialization import serialize_message
    shown = np.arange(12, dtype=np.uint16).reshape(3, 4)
    data = serialize_message(image_from_array(shown, 'mono16', 0, 'thermal'))
    message = deserialize_message(stamped(data, 1_700_000_000_123_456_789), Image)
    assert ns_from_stamp(message.header.stamp) == 1_700_000_000_123_456_789
    assert message.header.frame_id == 'thermal'
    assert np.array_equal(np.frombuffer(message.data, np.uint16).reshape(3, 4), shown)
