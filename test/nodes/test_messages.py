"""Image messages both ways: stamps to the nanosecond, bytes to the byte, and as cv_bridge does."""

from array import array as byte_array

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging import compressed
from uaafusion_ros.imaging.buffers import message_image
from uaafusion_ros.imaging.encodings import ENCODINGS
from uaafusion_ros.imaging.encodings import to_rgb8
from uaafusion_ros.imaging.encodings import to_thermal
from uaafusion_ros.imaging.registration import Roi

pytest.importorskip('rclpy.serialization')
from rclpy.serialization import deserialize_message  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402
from sensor_msgs.msg import CompressedImage  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from uaafusion_ros.nodes.messages import camera_info_for  # noqa: E402
from uaafusion_ros.nodes.messages import fill_image  # noqa: E402
from uaafusion_ros.nodes.messages import frame_from_compressed  # noqa: E402
from uaafusion_ros.nodes.messages import image_from_array  # noqa: E402
from uaafusion_ros.nodes.messages import image_size  # noqa: E402
from uaafusion_ros.nodes.messages import ImageReader  # noqa: E402
from uaafusion_ros.nodes.messages import jpeg_from_array  # noqa: E402
from uaafusion_ros.nodes.messages import new_image  # noqa: E402
from uaafusion_ros.nodes.messages import ns_from_stamp  # noqa: E402
from uaafusion_ros.nodes.messages import stamp_from_ns  # noqa: E402

pytestmark = pytest.mark.ros

STAMP_NS = 1_763_856_000_123_456_789  # beyond 2^53: one step through a float alters it
# cv_bridge converts these to rgb8; of the others it knows the bytes only, or not even the name.
CV_BRIDGE_RGB = (
    'mono8', 'mono16', 'rgb8', 'bgr8', 'rgba8', 'bgra8', 'rgb16', 'bgr16', 'yuv422',
    *(name for name in ENCODINGS if name.startswith('bayer')))
CV_BRIDGE_BYTES = ('8UC1', '16UC1', '32FC1', '8UC3', '8UC4')


def pixel_bytes(encoding):
    return ENCODINGS[encoding].channels * np.dtype(ENCODINGS[encoding].dtype).itemsize


def message(encoding, width=8, height=6, padding=2, big=False):
    """Return random pixels; `padding` is in pixels, as cv_bridge takes no other."""
    row = ENCODINGS[encoding]
    msg = Image(width=width, height=height, encoding=encoding, is_bigendian=int(big))
    msg.step = (width + padding) * pixel_bytes(encoding)
    size = msg.step * height * row.rows[0] // row.rows[1]
    msg.data = byte_array('B', np.random.default_rng(0).bytes(size))
    msg.header.stamp = stamp_from_ns(STAMP_NS)
    msg.header.frame_id = 'thermal_optical_frame'
    return msg


def frame_of(msg, **limits):
    """Return what a new reader makes of a message."""
    return ImageReader()(serialize_message(msg), **limits)


@pytest.mark.parametrize('stamp_ns', [
    0, 1, 999_999_999, 1_000_000_000, STAMP_NS, STAMP_NS + 1, -1, -1_500_000_000,
    (2 ** 31 - 1) * 1_000_000_000 + 999_999_999, -2 ** 31 * 1_000_000_000])
def test_stamp_keeps_every_nanosecond(stamp_ns):
    stamp = stamp_from_ns(stamp_ns)
    assert 0 <= stamp.nanosec < 1_000_000_000
    assert ns_from_stamp(stamp) == stamp_ns
    msg = image_from_array(np.zeros((2, 2), np.uint8), 'mono8', stamp_ns, 'camera')
    assert frame_of(msg).stamp_ns == stamp_ns


def test_frame_is_a_view_of_the_message():
    msg = message('rgb8')
    msg.data[msg.step + 3 * 2 + 1] = 201
    serialized = serialize_message(msg)
    reader = ImageReader()
    for frame in (reader(serialized), reader(serialized)):
        assert frame.stamp_ns == STAMP_NS
        assert (frame.frame_id, frame.encoding) == ('thermal_optical_frame', 'rgb8')
        assert frame.array[1, 2, 1] == 201
        assert np.shares_memory(frame.array, np.frombuffer(serialized, np.uint8))
        assert not frame.array.flags.writeable


@pytest.mark.parametrize('encoding', ['rgb8', 'mono16', 'yuv422', 'nv12'])
def test_image_size_is_that_of_the_message(encoding):
    assert image_size(frame_of(message(encoding))) == (6, 8)


def test_frame_outlives_its_message():
    msg = message('mono16')
    expected = frame_of(msg).array.copy()
    frame = frame_of(msg)
    del msg
    np.testing.assert_array_equal(frame.array, expected)


def test_big_endian_and_the_spelling_of_a_driver():
    msg = message('mono16', big=True)
    little = frame_of(message('mono16')).array
    np.testing.assert_array_equal(frame_of(msg).array, little.byteswap())
    msg.encoding = 'MONO16'
    assert frame_of(msg).encoding == 'mono16'


def test_wrong_message_and_limit():
    msg = message('rgb8')
    with pytest.raises(EncodingError, match='more than 47 pixels'):
        frame_of(msg, max_pixels=47)
    msg.data = msg.data[:-40]
    with pytest.raises(EncodingError, match='bytes of data'):
        frame_of(msg)


@pytest.mark.parametrize('encoding, dtype, channels', [
    ('rgb8', np.uint8, 3), ('bgr8', np.uint8, 3), ('mono8', np.uint8, 1),
    ('mono16', np.uint16, 1), ('32FC1', np.float32, 1)])
def test_array_survives_serialization(encoding, dtype, channels):
    shape = (5, 7) if channels == 1 else (5, 7, channels)
    array = np.random.default_rng(2).integers(0, 60000, shape).astype(dtype)
    msg = image_from_array(array[:, ::-1], encoding, STAMP_NS, 'rgb')
    assert isinstance(msg.data, byte_array)
    back = deserialize_message(serialize_message(msg), Image)
    assert (back.width, back.height, back.encoding, back.is_bigendian) == (7, 5, encoding, 0)
    assert back.step == 7 * channels * np.dtype(dtype).itemsize
    assert len(back.data) == back.step * 5
    frame = frame_of(back)
    assert (frame.stamp_ns, frame.frame_id) == (STAMP_NS, 'rgb')
    np.testing.assert_array_equal(frame.array, array[:, ::-1])


def test_message_does_not_share_the_array():
    array = np.zeros((2, 2), np.uint8)
    msg = image_from_array(array, 'mono8', 0, '')
    array[:] = 9
    assert not any(msg.data)


def test_a_runtimes_output_is_published_as_it_lies():
    image, msg = message_image((4, 6, 3)), new_image()
    assert fill_image(msg, image, 'rgb8', STAMP_NS, 'rgb') is msg
    image[:] = 9
    assert set(msg.data) == {9}
    assert (ns_from_stamp(msg.header.stamp), msg.header.frame_id) == (STAMP_NS, 'rgb')
    fill_image(msg, np.zeros((2, 3), np.uint16), 'mono16', 5, 'thermal')
    assert (ns_from_stamp(msg.header.stamp), msg.header.frame_id) == (5, 'thermal')
    assert (msg.height, msg.width, msg.encoding, msg.step) == (2, 3, 'mono16', 6)
    assert len(msg.data) == 12 and image.all()


def test_camera_info_has_the_reference_stamp_and_the_original_keeps_its_own():
    info = CameraInfo(width=640, height=480, distortion_model='plumb_bob', d=[0.1, 0.2])
    info.k[0] = 525.0
    info.header.stamp = stamp_from_ns(5)
    info.header.frame_id = 'rgb'
    answer = camera_info_for(info, STAMP_NS, 'thermal', None)
    assert (ns_from_stamp(answer.header.stamp), answer.header.frame_id) == (STAMP_NS, 'thermal')
    assert (ns_from_stamp(info.header.stamp), info.header.frame_id) == (5, 'rgb')
    answer.header = info.header
    assert answer == info


def test_camera_info_names_the_region_that_both_cameras_see():
    info = CameraInfo(width=640, height=480)
    roi = camera_info_for(info, STAMP_NS, 'rgb', Roi(10, 20, 300, 200)).roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (10, 20, 300, 200)
    assert not roi.do_rectify and info.roi.width == 0


def test_a_compressed_message_is_checked_and_kept_packed():
    image = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8) * 900
    msg = CompressedImage(format='mono16; png compressed ')
    msg.header.stamp, msg.header.frame_id = stamp_from_ns(STAMP_NS), 'thermal'
    msg.data = cv2.imencode('.png', image)[1].tobytes()
    frame = frame_from_compressed(serialize_message(msg))
    assert (frame.stamp_ns, frame.frame_id, frame.encoding) == (STAMP_NS, 'thermal', 'png')
    assert image_size(frame) == (6, 8) and not frame.array.flags.writeable
    np.testing.assert_array_equal(compressed.decode(frame.array, frame.encoding)[0], image)
    with pytest.raises(EncodingError, match='more than 47 pixels'):
        frame_from_compressed(serialize_message(msg), max_pixels=47)
    msg.data = msg.data[:-3]
    with pytest.raises(EncodingError, match='no end'):
        frame_from_compressed(serialize_message(msg))


def test_jpeg_output_reads_back():
    rgb = np.full((6, 8, 3), (200, 90, 20), np.uint8)
    msg = jpeg_from_array(rgb, 95, STAMP_NS, 'rgb')
    assert (msg.format, msg.header.frame_id) == ('rgb8; jpeg compressed bgr8', 'rgb')
    frame = frame_from_compressed(serialize_message(msg))
    array, encoding = compressed.decode(frame.array, frame.encoding)
    assert encoding == 'bgr8' and np.abs(array[..., ::-1].astype(int) - rgb).max() < 6


def as_cv_bridge_reads(msg, desired):
    bridge = pytest.importorskip('cv_bridge').CvBridge()
    if msg.is_bigendian and int(np.__version__.split('.')[0]) > 1:
        pytest.skip('cv_bridge reads big-endian images with numpy 1 only')
    probe = Image(width=1, height=2, step=2, encoding='mono8', data=bytes([1, 9, 2, 9]))
    ignores_step = bridge.imgmsg_to_cv2(probe)[1, 0] != 2
    if ignores_step and msg.step != msg.width * pixel_bytes(msg.encoding):
        pytest.skip('the cv_bridge of ROS 1 takes the padding for pixels')
    return bridge.imgmsg_to_cv2(msg, desired)


@pytest.mark.parametrize('padding', [0, 2])
@pytest.mark.parametrize('encoding, big', [
    *((name, False) for name in CV_BRIDGE_RGB),
    *((name, True) for name in CV_BRIDGE_RGB if name.endswith('16'))])
def test_agrees_with_cv_bridge_on_rgb(encoding, padding, big):
    msg = message(encoding, padding=padding, big=big)
    expected = as_cv_bridge_reads(msg, 'rgb8')
    result = to_rgb8(frame_of(msg).array, encoding)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize('padding', [0, 2])
@pytest.mark.parametrize('encoding, big', [
    *((name, False) for name in CV_BRIDGE_BYTES),
    *((name, True) for name in CV_BRIDGE_BYTES if name in ('16UC1', '32FC1'))])
def test_agrees_with_cv_bridge_on_bytes(encoding, padding, big):
    msg = message(encoding, padding=padding, big=big)
    expected = as_cv_bridge_reads(msg, 'passthrough')
    result = frame_of(msg).array
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'yuv422'])
def test_agrees_with_cv_bridge_on_luma(encoding):
    msg = message(encoding, padding=0)
    expected = as_cv_bridge_reads(msg, 'mono8')
    np.testing.assert_array_equal(to_thermal(frame_of(msg).array, encoding), expected)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'mono8', 'mono16', '32FC1'])
def test_cv_bridge_reads_what_is_published(encoding):
    channels = ENCODINGS[encoding].channels
    shape = (5, 7) if channels == 1 else (5, 7, channels)
    array = np.random.default_rng(4).integers(0, 250, shape).astype(ENCODINGS[encoding].dtype)
    msg = image_from_array(array, encoding, STAMP_NS, 'rgb')
    np.testing.assert_array_equal(as_cv_bridge_reads(msg, 'passthrough'), array)
