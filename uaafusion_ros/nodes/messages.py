"""Image messages <-> frames and arrays."""

from __future__ import annotations

import copy

from builtin_interfaces.msg import Time
import numpy as np
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from uaafusion_ros.frames import Frame
from uaafusion_ros.imaging import compressed
from uaafusion_ros.imaging.buffers import message_data
from uaafusion_ros.imaging.encodings import encode
from uaafusion_ros.imaging.encodings import lookup
from uaafusion_ros.imaging.encodings import MAX_PIXELS
from uaafusion_ros.imaging.encodings import view
from uaafusion_ros.imaging.registration import Roi
from uaafusion_ros.nodes.serialized import read_compressed
from uaafusion_ros.nodes.serialized import read_image
from uaafusion_ros.nodes.serialized import read_stamp

_NS_PER_S = 1_000_000_000


def ns_from_stamp(stamp: Time) -> int:
    """Return a stamp in whole nanoseconds, exactly; negative before 1970."""
    return stamp.sec * _NS_PER_S + stamp.nanosec


def stamp_from_ns(stamp_ns: int) -> Time:
    """Return the stamp of whole nanoseconds, exactly: the inverse of `ns_from_stamp`."""
    sec, nanosec = divmod(stamp_ns, _NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


class ImageReader:
    """
    Makes frames of the serialized sensor_msgs/Image messages of one camera.

    From one image to the next only the stamp and the pixels change, as a rule: what was found out
    about the other fields is kept as long as their bytes stay the same.
    """

    def __init__(self) -> None:
        self._known: tuple | None = None
        self._parts: tuple[slice, ...] = ()
        self._layout: tuple = ()
        self._names: tuple[str, str] = ('', '')

    def __call__(self, message: bytes, max_pixels: int = MAX_PIXELS) -> Frame:
        """
        Return a frame whose array is a read-only view of the message's bytes.

        The frame keeps the bytes alive; `encoding` has the spelling of sensor_msgs. Raises
        EncodingError where the message is cut, or its fields and data contradict one another.
        """
        if self._known != self._constant(message, max_pixels):
            return self._learn(message, max_pixels)
        shape, dtype, offset, strides = self._layout
        array = np.ndarray(shape, dtype, message, offset, strides)
        return Frame(array, read_stamp(message), *self._names)

    def _constant(self, message: bytes, max_pixels: int) -> tuple:
        """Return all that a frame depends on but stamp and pixels."""
        return max_pixels, len(message), *[message[part] for part in self._parts]

    def _learn(self, message: bytes, max_pixels: int) -> Frame:
        fields = read_image(message)
        array = view(
            fields.data, encoding=fields.encoding, width=fields.width, height=fields.height,
            step=fields.step, is_bigendian=fields.is_bigendian, max_pixels=max_pixels)
        self._parts, self._names = fields.parts, (fields.frame_id, lookup(fields.encoding).name)
        self._layout = array.shape, array.dtype, fields.offset, array.strides
        self._known = self._constant(message, max_pixels)
        return Frame(array, fields.stamp_ns, *self._names)


def frame_from_compressed(message: bytes, max_pixels: int = MAX_PIXELS) -> Frame:
    """
    Return a frame whose array is a read-only view of the JPEG or PNG file, 1xN uint8.

    `message` is a serialized sensor_msgs/CompressedImage. The file is checked but not decoded
    (see `imaging.compressed`). Raises EncodingError.
    """
    fields = read_compressed(message)
    packed = compressed.inspect(fields.data, fields.format, max_pixels)
    return Frame(array=np.frombuffer(fields.data, np.uint8)[np.newaxis],
                 stamp_ns=fields.stamp_ns, frame_id=fields.frame_id, encoding=packed.encoding)


def image_size(frame: Frame) -> tuple[int, int]:
    """Return height and width of a frame's image, which may have another shape than its array."""
    if compressed.is_compressed(frame.encoding):
        return compressed.size(frame.array)
    rows, per_rows = lookup(frame.encoding).rows
    return frame.array.shape[0] * per_rows // rows, frame.array.shape[1]


def jpeg_from_array(
    rgb: np.ndarray, quality: int, stamp_ns: int, frame_id: str
) -> CompressedImage:
    """Return the message of a uint8 HxWx3 RGB image as JPEG, as image_transport would fill it."""
    msg = CompressedImage(format='rgb8; jpeg compressed bgr8')
    msg.header = _header(stamp_ns, frame_id)
    msg.data.frombytes(compressed.encode_jpeg(rgb, quality))
    return msg


def new_image() -> Image:
    """Return an empty message that keeps the array.array that it is given as data."""
    try:
        return Image(check_fields=True)  # else the setter copies, which Jazzy began with
    except AssertionError:
        return Image()


def fill_image(
    msg: Image, array: np.ndarray, encoding: str, stamp_ns: int, frame_id: str
) -> Image:
    """
    Return `msg` with all its fields set to an array that is in the layout of `encoding`.

    Accepts rgb8, bgr8, mono8, mono16 and 32FC1 as `imaging.encodings.encode` does; the bytes are
    little-endian and rows unpadded. The pixels are not copied where `array` is the whole of an
    `imaging.buffers.message_image` and `msg` a `new_image`. Raises EncodingError for another
    encoding, shape or dtype.
    """
    raw, step = encode(array, encoding)
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(stamp_ns, _NS_PER_S)
    msg.header.frame_id = frame_id
    msg.height, msg.width = array.shape[:2]
    msg.encoding = lookup(encoding).name
    msg.is_bigendian = 0
    msg.step = step
    msg.data = message_data(raw)
    return msg


def image_from_array(array: np.ndarray, encoding: str, stamp_ns: int, frame_id: str) -> Image:
    """Return a message of its own as `fill_image` fills it; raises EncodingError."""
    return fill_image(new_image(), array, encoding, stamp_ns, frame_id)


def camera_info_for(
    info: CameraInfo, stamp_ns: int, frame_id: str, region: Roi | None
) -> CameraInfo:
    """
    Return a copy of a calibration with another header; the calibration itself is shared.

    `region`, where given, becomes the region of interest.
    """
    answer = copy.copy(info)
    answer.header = _header(stamp_ns, frame_id)
    if region is not None:
        answer.roi = RegionOfInterest(
            x_offset=region.x, y_offset=region.y, width=region.width, height=region.height)
    return answer


def _header(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=stamp_from_ns(stamp_ns), frame_id=frame_id)
