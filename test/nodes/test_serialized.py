"""Serialized images: read as rclpy reads them, cut ones refused, and nothing taken from before."""

import random
import struct

import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.nodes.serialized import read_compressed
from uaafusion_ros.nodes.serialized import read_image
from uaafusion_ros.nodes.serialized import read_stamp

pytest.importorskip('rclpy.serialization')
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import CompressedImage  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from uaafusion_ros.nodes.messages import image_from_array  # noqa: E402
from uaafusion_ros.nodes.messages import ImageReader  # noqa: E402
from uaafusion_ros.nodes.messages import stamp_from_ns  # noqa: E402

pytestmark = pytest.mark.ros
STAMP_NS = 1_763_856_000_123_456_789


def image(frame_id='thermal', encoding='mono16', stamp_ns=STAMP_NS, shape=(4, 6), value=7):
    """Return a serialized image of one value."""
    dtype = np.uint16 if encoding == 'mono16' else np.uint8
    return serialize_message(image_from_array(
        np.full(shape, value, dtype), encoding, stamp_ns, frame_id))


def by_hand(order, identifier, filler=b'\0'):
    """Return an image of 2 x 3 pixels, serialized in another byte order or with other filling."""
    def padded(data):
        return data + filler * (-len(data) % 4)

    def word(number):
        return struct.pack(f'{order}I', number)

    fields = struct.pack(f'{order}iI', -2, 5) + padded(word(4) + b'rgb\0')
    fields += word(2) + word(3)
    fields = padded(fields + word(6) + b'mono8\0' + b'\0')
    return bytes(identifier) + b'\0\0' + fields + word(3) + word(6) + bytes(range(6))


@pytest.mark.parametrize('frame_id', ['', 'a', 'ab', 'abc', 'abcd', 'optical/ä', 'x' * 1000])
@pytest.mark.parametrize('encoding', ['', 'rgb8', 'mono8', '8UC1', '32FC1', 'bayer_rggb16'])
def test_every_field_is_read_wherever_the_texts_end(frame_id, encoding):
    msg = Image(height=2 ** 32 - 1, width=3, encoding=encoding, is_bigendian=1, step=77)
    msg.header.stamp, msg.header.frame_id = stamp_from_ns(STAMP_NS), frame_id
    msg.data.frombytes(bytes(range(50)))
    fields = read_image(serialize_message(msg))
    assert fields[:7] == (STAMP_NS, frame_id, 2 ** 32 - 1, 3, encoding, True, 77)
    assert bytes(fields.data) == bytes(range(50))
    packed = CompressedImage(header=msg.header, format=encoding, data=bytes(range(9)))
    fields = read_compressed(serialize_message(packed))
    assert fields[:3] == (STAMP_NS, frame_id, encoding) and bytes(fields.data) == bytes(range(9))


@pytest.mark.parametrize('order, identifier', [
    ('>', (0, 0)), ('<', (0, 1)), ('>', (0, 6)), ('<', (0, 7))])
def test_either_byte_order_and_version_of_cdr(order, identifier):
    message = by_hand(order, identifier)
    assert read_image(message)[:7] == (-1_999_999_995, 'rgb', 2, 3, 'mono8', False, 3)
    assert read_stamp(message) == -1_999_999_995
    np.testing.assert_array_equal(ImageReader()(message).array, [[0, 1, 2], [3, 4, 5]])


def test_another_representation_is_named():
    with pytest.raises(EncodingError, match='representation 0x0003; accepted is CDR'):
        read_image(by_hand('<', (0, 3)))
    with pytest.raises(EncodingError, match='representation 0x;'):
        read_image(b'')


def test_a_message_cut_anywhere_is_refused():
    msg = image()
    packed = serialize_message(CompressedImage(format='jpeg', data=bytes(5)))
    for read, whole in ((read_image, msg), (read_compressed, packed), (ImageReader(), msg)):
        read(whole)
        for length in range(2, len(whole) - 3):  # some append up to three bytes
            with pytest.raises(EncodingError, match='ends within its fields'):
                read(whole[:length])
        read(whole)


def test_a_length_that_lies_is_refused():
    whole = bytearray(image())
    whole[12:16] = b'\xff' * 4
    with pytest.raises(EncodingError, match='ends within its fields'):
        read_image(bytes(whole))


def test_what_fills_the_gaps_between_fields_means_nothing():
    reader = ImageReader()
    for filler in (b'\0', b'\xff', b'\x5a'):
        frame = reader(by_hand('<', (0, 1), filler))
        assert (frame.frame_id, frame.encoding, frame.array.shape) == ('rgb', 'mono8', (2, 3))


@pytest.mark.parametrize('change', [
    {'frame_id': 'another'}, {'frame_id': 'tHermal'}, {'shape': (6, 4)}, {'shape': (4, 7)},
    {'encoding': 'mono8', 'shape': (8, 6)}, {'stamp_ns': STAMP_NS + 1}, {'value': 9}])
def test_a_reader_notices_whatever_changes(change):
    """The image before has other fields, as many bytes or not, or other pixels."""
    reader = ImageReader()
    for message in (image(), image(**change), image()):
        frame, fresh = reader(message), ImageReader()(message)
        assert (frame.stamp_ns, frame.frame_id, frame.encoding) == (
            fresh.stamp_ns, fresh.frame_id, fresh.encoding)
        assert frame.array.dtype == fresh.array.dtype
        np.testing.assert_array_equal(frame.array, fresh.array)


def test_a_lower_limit_holds_at_once_and_a_refused_image_leaves_no_trace():
    reader = ImageReader()
    reader(image())
    with pytest.raises(EncodingError, match='more than 23 pixels'):
        reader(image(), 23)
    assert reader(image(value=8)).array.max() == 8


def test_flipped_bytes_are_read_alike_by_a_used_and_a_fresh_reader():
    """Whatever a faulty link makes of a message is refused in words, or read as it stands."""
    draw, used, refused = random.Random(0), ImageReader(), 0
    for _ in range(3000):
        message = bytearray(image(value=draw.randrange(9)))
        for _ in range(draw.randrange(4)):
            message[draw.randrange(60)] = draw.randrange(256)
        got = []
        for reader in (used, ImageReader()):
            try:
                frame = reader(bytes(message), 10_000)
                got.append((frame.stamp_ns, frame.frame_id, frame.encoding, frame.array.tobytes()))
            except EncodingError as error:
                got.append(str(error))
        assert got[0] == got[1]
        refused += isinstance(got[0], str)
    assert 300 < refused < 2700
