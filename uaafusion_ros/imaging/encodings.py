"""
Message bytes <-> arrays: one table of image encodings and the four functions that read it.

Names and layouts follow sensor_msgs/image_encodings.hpp and, for YUV, the V4L2 pixel formats
named there. Adding an encoding is adding one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from uaafusion_ros.errors import EncodingError

MAX_PIXELS = 64_000_000

_AS_IS = -1
_LEAST_BAYER = 3  # OpenCV leaves smaller mosaics black instead of refusing them


@dataclass(frozen=True)
class Encoding:
    """
    One row of the table: how the bytes lie, and how OpenCV turns them into RGB and into gray.

    `rows` is the number of array rows per image row as a fraction (NV12: 3/2), `multiple` what
    width and height must be multiples of, `least` the smallest width and height. `rgb` and
    `gray` are cv2.cvtColor codes; None means that the conversion has no defined result.
    """

    name: str
    dtype: str
    channels: int
    rgb: int | None
    gray: int | None
    rows: tuple[int, int] = (1, 1)
    multiple: tuple[int, int] = (1, 1)
    least: int = 1


def _mono(name: str, dtype: str, rgb: int | None = cv2.COLOR_GRAY2RGB) -> Encoding:
    return Encoding(name, dtype, 1, rgb, _AS_IS)


def _bayer(pattern: str, rgb: int, gray: int) -> tuple[Encoding, ...]:
    # ROS names the four cells from the top left corner; OpenCV's older names start one row and
    # one column further in, so that rggb is its 'BayerBG'.
    return tuple(
        Encoding(f'bayer_{pattern}{bits}', f'u{bits // 8}', 1, rgb, gray, least=_LEAST_BAYER)
        for bits in (8, 16))


def _packed_yuv(name: str, rgb: int, gray: int) -> Encoding:
    return Encoding(name, 'u1', 2, rgb, gray, multiple=(2, 1))


def _planar_yuv(name: str, rgb: int, gray: int) -> Encoding:
    return Encoding(name, 'u1', 1, rgb, gray, rows=(3, 2), multiple=(2, 2))


_TABLE = (
    _mono('mono8', 'u1'),
    _mono('8UC1', 'u1'),
    _mono('mono16', 'u2'),
    _mono('16UC1', 'u2'),
    _mono('32FC1', 'f4', rgb=None),  # no range is defined that could become 8 bits of colour
    Encoding('rgb8', 'u1', 3, _AS_IS, cv2.COLOR_RGB2GRAY),
    Encoding('bgr8', 'u1', 3, cv2.COLOR_BGR2RGB, cv2.COLOR_BGR2GRAY),
    Encoding('rgba8', 'u1', 4, cv2.COLOR_RGBA2RGB, cv2.COLOR_RGBA2GRAY),
    Encoding('bgra8', 'u1', 4, cv2.COLOR_BGRA2RGB, cv2.COLOR_BGRA2GRAY),
    # 8UC3 and 8UC4 name no colours; whoever publishes them took an OpenCV image as it was.
    Encoding('8UC3', 'u1', 3, cv2.COLOR_BGR2RGB, cv2.COLOR_BGR2GRAY),
    Encoding('8UC4', 'u1', 4, cv2.COLOR_BGRA2RGB, cv2.COLOR_BGRA2GRAY),
    Encoding('rgb16', 'u2', 3, _AS_IS, cv2.COLOR_RGB2GRAY),
    Encoding('bgr16', 'u2', 3, cv2.COLOR_BGR2RGB, cv2.COLOR_BGR2GRAY),
    *_bayer('rggb', cv2.COLOR_BayerBG2RGB, cv2.COLOR_BayerBG2GRAY),
    *_bayer('bggr', cv2.COLOR_BayerRG2RGB, cv2.COLOR_BayerRG2GRAY),
    *_bayer('gbrg', cv2.COLOR_BayerGR2RGB, cv2.COLOR_BayerGR2GRAY),
    *_bayer('grbg', cv2.COLOR_BayerGB2RGB, cv2.COLOR_BayerGB2GRAY),
    _packed_yuv('uyvy', cv2.COLOR_YUV2RGB_UYVY, cv2.COLOR_YUV2GRAY_UYVY),
    _packed_yuv('yuv422', cv2.COLOR_YUV2RGB_UYVY, cv2.COLOR_YUV2GRAY_UYVY),
    _packed_yuv('yuyv', cv2.COLOR_YUV2RGB_YUY2, cv2.COLOR_YUV2GRAY_YUY2),
    _packed_yuv('yuv422_yuy2', cv2.COLOR_YUV2RGB_YUY2, cv2.COLOR_YUV2GRAY_YUY2),
    _planar_yuv('nv12', cv2.COLOR_YUV2RGB_NV12, cv2.COLOR_YUV2GRAY_NV12),
    _planar_yuv('nv21', cv2.COLOR_YUV2RGB_NV21, cv2.COLOR_YUV2GRAY_NV21),
)
ENCODINGS = {row.name: row for row in _TABLE}
_BY_LOWER_NAME = {row.name.lower(): row for row in _TABLE}
_OUTPUTS = ('rgb8', 'bgr8', 'mono8', 'mono16', '32FC1')


def lookup(encoding: str) -> Encoding:
    """
    Return the table's row for a name.

    Upper and lower case are not told apart, although sensor_msgs spells 8UC1 and rgb8: no two
    names differ by case alone, and drivers that publish 'RGB8' exist. `Encoding.name` is the
    spelling of sensor_msgs. Raises EncodingError for any other name.
    """
    row = _BY_LOWER_NAME.get(encoding.lower()) if isinstance(encoding, str) else None
    if row is None:
        raise EncodingError(
            f'encoding {encoding!r:.60} is not supported; accepted are {", ".join(ENCODINGS)}; '
            'set the camera driver to one of these')
    return row


def view(data, *, encoding: str, width: int, height: int, step: int, is_bigendian: bool,
         max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """
    Lay an array over an image message's bytes, without copying them, in constant time.

    `data` is any contiguous buffer. The result is read-only and keeps `data` alive; its shape is
    HxW (mono, bayer), HxWxC (colour; packed YUV has C = 2) or 3H/2xW (nv12, nv21). `step` bytes
    separate its rows. With `is_bigendian` set, 16- and 32-bit images have a '>' dtype.

    Its length must be `step` times the number of rows; only the padding after the last row may
    be missing, which drivers leave out. Raises EncodingError for an unknown encoding, a width or
    height that is zero, odd where colour is shared by pixel pairs, or above `max_pixels`
    together, a step shorter than a row, and data that are shorter or longer than said.
    """
    row = lookup(encoding)
    size = f'{row.name} image of {width!r:.20} x {height!r:.20}'
    _check_size(row, size, width, height)
    if width * height > max_pixels:
        raise EncodingError(
            f'{size} has more than {max_pixels} pixels; '
            'correct its width and height, or raise the limit')
    dtype = np.dtype(row.dtype)
    pixel_bytes = row.channels * dtype.itemsize
    row_bytes = width * pixel_bytes
    if not isinstance(step, int) or step < row_bytes:
        raise EncodingError(
            f'{size} has step {step!r:.20}; a row needs at least {row_bytes} bytes; '
            'set step to the bytes from one row to the next')
    rows = height * row.rows[0] // row.rows[1]
    try:
        flat = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
    except (BufferError, TypeError, ValueError) as error:
        raise EncodingError(
            f'{size} has data of type {type(data).__name__}, which is no contiguous buffer; '
            'give bytes, bytearray, array.array or a numpy array') from error
    shortest, longest = step * (rows - 1) + row_bytes, step * rows
    if not shortest <= flat.size <= longest:
        raise EncodingError(
            f'{size} with step {step} has {flat.size} bytes of data; accepted are {longest}, or '
            f'down to {shortest} without the padding of the last row; '
            'correct step, width, height or encoding in the camera driver')
    if is_bigendian:
        dtype = dtype.newbyteorder('>')
    shape: tuple[int, ...] = rows, width
    strides: tuple[int, ...] = step, pixel_bytes
    if row.channels > 1:
        shape, strides = (*shape, row.channels), (*strides, dtype.itemsize)
    if rows == 1:
        strides = (row_bytes, *strides[1:])  # a step past the only row would overflow or mislead
    array = np.ndarray(shape, dtype, flat, 0, strides)
    array.flags.writeable = False
    return array


def to_rgb8(array: np.ndarray, encoding: str) -> np.ndarray:
    """
    Turn a `view` into contiguous uint8 RGB, HxWx3.

    A contiguous rgb8 array is returned itself. Gray is repeated in all channels; 16 bits become
    8 by the fixed factor 255/65535; bayer is interpolated bilinearly; YUV is BT.601 with luma
    from 16 to 235, as V4L2 cameras send it; alpha is dropped. Raises EncodingError for 32FC1,
    which has no defined range, and for an array that is not in the encoding's layout.
    """
    row = _checked_layout(array, encoding)
    if row.rgb is None:
        raise EncodingError(
            f'encoding {row.name} has no defined range of values and cannot become RGB; '
            'publish mono8, mono16 or a colour encoding on the RGB topic')
    image = _convert(array, row.rgb)
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=255 / 65535)
    return np.ascontiguousarray(image)


def to_thermal(array: np.ndarray, encoding: str) -> np.ndarray:
    """
    Turn a `view` into one channel of uint8, uint16 or float32 in native byte order, HxW.

    Mono images keep their values (and, where already native, their memory: not a copy). RGB is
    reduced to BT.601 luma at its depth; YUV gives its luma bytes as they came. Raises
    EncodingError for an array that is not in the encoding's layout.
    """
    row = _checked_layout(array, encoding)
    return _convert(array, row.gray)


def encode(array: np.ndarray, encoding: str) -> tuple[np.ndarray, int]:
    """
    Return the little-endian bytes of an image message (flat uint8), and its step in bytes.

    `array` is already in the layout of `encoding` (rgb8, bgr8, mono8, mono16 or 32FC1): no
    channel is reordered and no value changed. Rows are not padded, and an array that is
    contiguous already is not copied. Raises EncodingError for another encoding, shape or dtype.
    """
    row = lookup(encoding)
    if row.name not in _OUTPUTS:
        raise EncodingError(
            f'encoding {row.name} cannot be written; accepted are {", ".join(_OUTPUTS)}')
    _checked_layout(array, encoding)
    little = np.ascontiguousarray(array, np.dtype(row.dtype).newbyteorder('<'))
    return little.reshape(-1).view(np.uint8), little.nbytes // array.shape[0]


def _check_size(row: Encoding, size: str, width: int, height: int) -> None:
    if not (isinstance(width, int) and isinstance(height, int)):
        raise EncodingError(f'{size}: width and height must be whole numbers')
    if width < row.least or height < row.least:
        raise EncodingError(f'{size} is too small; at least {row.least} x {row.least} is needed')
    if width % row.multiple[0] or height % row.multiple[1]:
        raise EncodingError(
            f'{size} cannot be: its pixels share colours, so width must be a multiple of '
            f'{row.multiple[0]} and height of {row.multiple[1]}; crop the image or send rgb8')


def _checked_layout(array: np.ndarray, encoding: str) -> Encoding:
    return _layout(array.shape, array.dtype, encoding)


@lru_cache(maxsize=32)  # a camera's images are all alike
def _layout(shape: tuple[int, ...], dtype: np.dtype, encoding: str) -> Encoding:
    row = lookup(encoding)
    trailing = () if row.channels == 1 else (row.channels,)
    if len(shape) < 2 or shape[2:] != trailing or dtype.str[1:] != row.dtype:
        layout = 'HxW' if row.channels == 1 else f'HxWx{row.channels}'
        raise EncodingError(
            f'an array of {dtype} {shape} is not {row.name}, which is '
            f'{np.dtype(row.dtype)} {layout}; name the encoding that the array has')
    rows, width = shape[:2]
    if rows % row.rows[0]:
        raise EncodingError(
            f'{rows} rows are not {row.name}, which has {row.rows[0]} rows for each '
            f'{row.rows[1]} of the image')
    height = rows * row.rows[1] // row.rows[0]
    _check_size(row, f'{row.name} image of {width} x {height}', width, height)
    return row


def _convert(array: np.ndarray, code: Any) -> np.ndarray:
    native = array
    if not (array.dtype.isnative and array.flags.aligned):  # OpenCV reads neither
        native = array.astype(array.dtype.newbyteorder('='))
    if code == _AS_IS:
        return native
    if native.shape == (1, 1, 3):  # refused by the OpenCV of Ubuntu 22.04
        return cv2.cvtColor(native.repeat(2, axis=1), code)[:, :1].copy()
    return cv2.cvtColor(native, code)
