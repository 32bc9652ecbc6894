"""Bags keep every pixel and every nanosecond, and say plainly when they cannot be read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import frame_of
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import image_stamp_ns
from uaafusion_ros.evaluation.bags import info_size
from uaafusion_ros.evaluation.bags import list_topics
from uaafusion_ros.evaluation.bags import RawMessage
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.evaluation.bags import read_messages
from uaafusion_ros.evaluation.bags import RELIABLE_QOS
from uaafusion_ros.evaluation.calibration import pinhole_guess

STAMP_NS = 1_700_000_000_999_999_999
IMAGES = {
    'rgb8': np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8),
    'mono8': np.random.default_rng(1).integers(0, 256, (6, 4), np.uint8),
    'mono16': np.random.default_rng(2).integers(0, 65536, (3, 5), np.uint16),
    '32FC1': np.random.default_rng(3).normal(size=(3, 5)).astype(np.float32),
}


@pytest.fixture
def bag(tmp_path):
    path = tmp_path / 'bag'
    with BagWriter(path) as writer:
        for number, (encoding, image) in enumerate(IMAGES.items()):
            writer.add_image(f'/{encoding}', image, encoding, STAMP_NS + number, f'frame_{number}')
        writer.add_camera_info('/camera_info', 7, 5, STAMP_NS + 9, 'camera')
    return path


def test_images_come_back_bit_for_bit_with_their_nanoseconds(bag):
    read = list(read_images(bag))
    assert [topic for topic, _, _ in read] == [f'/{encoding}' for encoding in IMAGES]
    for number, (topic, log_time_ns, frame) in enumerate(read):
        image = IMAGES[topic[1:]]
        assert frame.stamp_ns == log_time_ns == STAMP_NS + number
        assert (frame.frame_id, frame.encoding) == (f'frame_{number}', topic[1:])
        assert frame.array.dtype == image.dtype
        assert frame.array.tobytes() == image.tobytes() and frame.array.shape == image.shape


def test_a_strided_image_is_stored_in_its_own_order(tmp_path):
    image = IMAGES['rgb8'][:, ::-1, ::-1]
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_image('/a', image, 'rgb8', STAMP_NS, '')
    (_, _, frame), = read_images(tmp_path / 'bag')
    assert (frame.array == image).all()


def test_raw_messages_carry_stamp_and_type_and_can_be_written_again(bag, tmp_path):
    messages = list(read_messages(bag))
    assert [image_stamp_ns(message.data) for message in messages] == [
        message.log_time_ns for message in messages]
    assert messages[-1].type_name == CAMERA_INFO
    with BagWriter(tmp_path / 'copy', RELIABLE_QOS) as writer:
        for message in messages:
            writer.add_serialized(
                message.topic, message.type_name, message.log_time_ns + 1, message.data)
    copies = list(read_messages(tmp_path / 'copy'))
    assert [copy.data for copy in copies] == [message.data for message in messages]


def test_a_stamp_before_1970_is_read(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_image('/a', IMAGES['mono8'], 'mono8', 5, '')
    message, = read_messages(tmp_path / 'bag')
    assert image_stamp_ns(message.data) == 5
    negative = message.data[:4] + b'\xff\xff\xff\xff' + message.data[8:]
    assert image_stamp_ns(negative) == 5 - 1_000_000_000


def test_topics_say_type_and_reliability(bag, tmp_path):
    assert [(t.name, t.type_name, t.reliable) for t in list_topics(bag)] == [
        (name, CAMERA_INFO if 'info' in name else IMAGE, False)
        for name in ('/32FC1', '/camera_info', '/mono16', '/mono8', '/rgb8')]
    with BagWriter(tmp_path / 'reliable', RELIABLE_QOS) as writer:
        writer.add_camera_info('/i', 1, 1, 1, '')
    assert list_topics(tmp_path / 'reliable')[0].reliable


def test_ros_reads_the_same_bytes(bag):
    serialization = pytest.importorskip('rclpy.serialization')
    from sensor_msgs.msg import Image
    message = next(message for message in read_messages(bag) if message.topic == '/mono16')
    image = serialization.deserialize_message(message.data, Image)
    assert (image.header.stamp.sec, image.header.stamp.nanosec) == (1_700_000_001, 1)
    assert (image.height, image.width, image.step) == (3, 5, 10)
    assert bytes(image.data) == IMAGES['mono16'].tobytes()


def test_a_missing_bag_is_named(tmp_path):
    with pytest.raises(BagError, match='there is no bag .*nowhere'):
        list(read_messages(tmp_path / 'nowhere'))


@pytest.mark.parametrize('keep', [0, 4, 200, -1, -60])
def test_a_truncated_bag_is_a_bag_error(bag, keep):
    file, = bag.glob('*.mcap')
    file.write_bytes(file.read_bytes()[:keep])
    for path in (bag, file):
        with pytest.raises(BagError, match='cannot be read.*copy it again'):
            list(read_messages(path))


def test_a_bag_that_lost_its_file_is_a_bag_error(bag):
    next(bag.glob('*.mcap')).unlink()
    with pytest.raises(BagError, match='cannot be read'):
        list_topics(bag)


def test_a_folder_that_is_no_bag_is_a_bag_error(tmp_path):
    with pytest.raises(BagError, match='cannot be read'):
        list_topics(tmp_path)


def test_an_empty_bag_is_a_bag_error(tmp_path):
    with BagWriter(tmp_path / 'bag'):
        pass
    with pytest.raises(BagError, match='empty'):
        list(read_messages(tmp_path / 'bag'))


def test_a_bag_without_images_names_its_topics(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_camera_info('/only/info', 1, 1, 1, '')
    with pytest.raises(BagError, match='no sensor_msgs/msg/Image.*/only/info'):
        list(read_images(tmp_path / 'bag'))


def test_an_existing_bag_is_not_overwritten(bag):
    with pytest.raises(BagError, match='exists already'):
        BagWriter(bag)
    assert len(list(read_messages(bag))) == 5


@pytest.mark.parametrize('suffix, encoding, array', [
    ('.png', 'mono8', IMAGES['mono8']), ('.png', 'mono16', IMAGES['mono16']),
    ('.png', 'bgr8', IMAGES['rgb8']), ('.jpg', 'bgr8', np.full((5, 7, 3), 90, np.uint8))])
def test_compressed_images_come_back_as_frames(tmp_path, suffix, encoding, array):
    with BagWriter(tmp_path / 'bag') as writer:
        data = cv2.imencode(suffix, array)[1].tobytes()
        writer.add_compressed('/a/compressed', data, suffix[1:], STAMP_NS, 'camera')
    (topic, log_time_ns, frame), = read_images(tmp_path / 'bag')
    assert (topic, log_time_ns, frame.stamp_ns) == ('/a/compressed', STAMP_NS, STAMP_NS)
    assert (frame.encoding, frame.frame_id) == (encoding, 'camera')
    assert np.array_equal(frame.array, array)


@pytest.mark.parametrize('storage, zstd, suffix', [
    ('mcap', False, '.mcap'), ('mcap', True, '.mcap'), ('sqlite3', False, '.db3')])
def test_every_storage_gives_the_same_messages(bag, tmp_path, storage, zstd, suffix):
    with BagWriter(tmp_path / 'copy', storage=storage, zstd=zstd) as writer:
        for message in read_messages(bag):
            writer.add_serialized(
                message.topic, message.type_name, message.log_time_ns, message.data)
    assert (tmp_path / 'copy' / f'copy{suffix}').is_file()
    assert list(read_messages(tmp_path / 'copy')) == list(read_messages(bag))


def test_a_calibration_keeps_its_values_under_another_header(tmp_path):
    guess = pinhole_guess(64, 48)
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_camera_info('/i', 64, 48, STAMP_NS, 'camera', guess)
    message, = read_messages(tmp_path / 'bag')
    assert info_size(message.data) == (48, 64)
    with BagWriter(tmp_path / 'again') as writer:
        writer.add_info_again('/i', message.data, STAMP_NS + 1, 'other')
    again, = read_messages(tmp_path / 'again')
    assert image_stamp_ns(again.data) == STAMP_NS + 1 and again.data != message.data
    assert np.array(guess.k).tobytes() in again.data and b'other' in again.data


def test_bytes_that_are_no_image_are_an_encoding_error():
    with pytest.raises(EncodingError, match='/a is no sensor_msgs/msg/Image'):
        frame_of(RawMessage('/a', IMAGE, 0, b'\x00\x01\x00\x00\xff\xff'))
