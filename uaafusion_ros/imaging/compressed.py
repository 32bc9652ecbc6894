"""
JPEG and PNG bytes <-> arrays, with everything that can be known checked before memory is taken.

A frame of a compressed topic keeps its bytes until a pair needs them: `inspect` reads the header
and the structure when the message comes, `decode` makes the pixels where they are used. An
orientation tag is obeyed: sizes and pixels are those of the upright image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import re
import struct
import zlib

import cv2
import numpy as np

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging import orientation
from uaafusion_ros.imaging.encodings import ENCODINGS
from uaafusion_ros.imaging.encodings import MAX_PIXELS
from uaafusion_ros.packages import pip_install

CONTAINERS = ('jpeg', 'png')

_PNG = b'\x89PNG\r\n\x1a\n'
_JPEG = b'\xff\xd8\xff'
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # frame headers; the others are tables
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a length
_SCAN, _END = 0xDA, 0xD9
_BETWEEN_SCANS = frozenset((_SCAN, 0xC4, 0xDB, 0xDC, 0xDD, 0xFE))
_MOST_PARTS = 65_536  # real files have up to some thousands; more would only cost time
_APP1 = 0xE1  # EXIF, XMP, FLIR's own
_TAG_CHUNKS = (b'eXIf', b'iTXt', b'zTXt', b'tEXt')
_MOST_EXTRANEOUS = 16
_DEPTHS = {'u1': {1: 'mono8', 3: 'bgr8', 4: 'bgra8'}, 'u2': {1: 'mono16', 3: 'bgr16'}}
# image_transport cuts these at 255 before it writes a JPEG; mono16 it scales.
_CUT_BY_JPEG = ('16uc1', '16sc1', '32fc1')
SCALED_BY_JPEG = 'mono16; jpeg'  # a frame's encoding


@dataclass(frozen=True)
class Packed:
    """
    What the header of a compressed image says.

    `container` is 'jpeg' or 'png'. `encoding` is what a frame of it is called: the container,
    with the mosaic in front ('bayer_rggb8; png') where the single channel is a colour mosaic, or
    'mono16; jpeg' where 16 bits were sent as 8-bit JPEG.
    `width` and `height` are those of the upright image.
    """

    container: str
    encoding: str
    width: int
    height: int


def is_compressed(encoding: str) -> bool:
    """Return whether a frame's encoding is that of a `Packed`."""
    return encoding.rpartition('; ')[2] in CONTAINERS


def inspect(data, image_format: str, max_pixels: int = MAX_PIXELS) -> Packed:
    """
    Check a sensor_msgs/CompressedImage without decoding it; return what its header says.

    `data` is any contiguous buffer, `image_format` the message's format as image_transport
    writes it ('rgb8; jpeg compressed bgr8') or a driver does ('jpeg'); the bytes decide which
    container it is. Checked are the size against `max_pixels`, for PNG the length and the CRC of
    every chunk, for JPEG every segment, the byte stuffing of the pixel data and their end: all
    that tells a damaged file, as JPEG has no checksum. A film (animated PNG) is refused, and a
    JPEG of 16-bit or float pixels, which were cut at 255. Raises EncodingError.
    """
    if 'compresseddepth' in image_format.lower():
        raise EncodingError(
            f'format {image_format!r:.60} is that of a compressed depth image; accepted are JPEG '
            'and PNG: subscribe to the topic of image_transport\'s "compressed" plugin')
    raw = memoryview(data).cast('B') if len(data) else memoryview(b'')
    if raw[:len(_PNG)] == _PNG:
        container, (width, height) = 'png', _png_size(raw)
    elif raw[:len(_JPEG)] == _JPEG:
        container, (width, height) = 'jpeg', _jpeg_size(raw)
    else:
        raise EncodingError(
            f'{len(raw)} bytes of format {image_format!r:.60} begin with '
            f'{bytes(raw[:4]).hex(" ") or "nothing"}, which is neither JPEG nor PNG; set the '
            "camera's compressed transport to jpeg or png")
    text = f'{container} image of {width} x {height}'
    if not width or not height:
        raise EncodingError(f'{text} has no pixels; the camera sent a broken header')
    if width * height > max_pixels:
        raise EncodingError(
            f'{text} has more than {max_pixels} pixels; let the camera send smaller images, or '
            'raise the limit')
    if container == 'png':
        _check_png(raw)
    else:
        _check_jpeg(raw)
        source = image_format.partition(';')[0].strip()
        if source.lower() in _CUT_BY_JPEG:
            raise EncodingError(
                f'the {source} image was sent as JPEG, which cut every value at 255; set the '
                "camera's compressed transport to png, which keeps 16 bits")
    if orientation.is_sideways(_orientation(raw)):
        width, height = height, width
    source = image_format.partition(';')[0].strip().lower()
    encoding = f'{source}; {container}'
    if encoding != SCALED_BY_JPEG and not (
            source.startswith('bayer_') and source in ENCODINGS):
        encoding = container
    return Packed(container, encoding, width, height)


def size(data) -> tuple[int, int]:
    """Return height and width of a compressed image that passed `inspect`, upright."""
    raw = memoryview(data).cast('B')
    width, height = _png_size(raw) if raw[:len(_PNG)] == _PNG else _jpeg_size(raw)
    return (width, height) if orientation.is_sideways(_orientation(raw)) else (height, width)


def decode(data, encoding: str) -> tuple[np.ndarray, str]:
    """
    Return the pixels of a compressed image that passed `inspect`, and the encoding of the array.

    `encoding` is that of the `Packed`. Eight bits become mono8, bgr8 or bgra8, sixteen mono16 or
    bgr16, one channel of a mosaic the mosaic's encoding. Raises EncodingError where the pixel
    data cannot be read.
    """
    mosaic, _, container = encoding.rpartition('; ')
    array = pixels(data)
    channels = array.shape[2] if array.ndim == 3 else 1
    name = _DEPTHS.get(array.dtype.str[1:], {}).get(channels)
    if name is None:
        raise EncodingError(
            f'the {container} image has {channels} channels of {array.dtype}; accepted are gray, '
            'colour with 8 or 16 bits, and colour with alpha in 8 bits')
    if mosaic and channels == 1 and ENCODINGS[mosaic].dtype == array.dtype.str[1:]:
        name = mosaic
    return array, name


def pixels(data) -> np.ndarray:
    """
    Return the upright pixels of a JPEG or PNG that passed `inspect`, as OpenCV has them.

    HxW or HxWxC of uint8 or uint16; channels are blue, green, red and alpha. Raises
    EncodingError where the pixel data cannot be read or are damaged.
    """
    raw = memoryview(data).cast('B')
    png = raw[:len(_PNG)] == _PNG
    array = None if png else _strict_jpeg(raw)
    if array is None:
        try:
            array = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise EncodingError(f'the image cannot be decoded: {error.err}') from error
    if array is None:
        raise EncodingError(
            f'the pixel data of the {"png" if png else "jpeg"} image are damaged; the camera or '
            'the network altered them')
    return orientation.upright(array, _orientation(raw))


def is_upright_jpeg(data) -> bool:
    """Return whether a readable image file is a JPEG that needs no turning."""
    raw = memoryview(data).cast('B')
    return raw[:len(_JPEG)] == _JPEG and _orientation(raw) == orientation.UPRIGHT


def is_radiometric(data) -> bool:
    """Return whether a file is a JPEG with the raw image of a FLIR camera beside its picture."""
    raw = memoryview(data).cast('B') if len(data) else memoryview(b'')
    return raw[:len(_JPEG)] == _JPEG and any(
        marker == _APP1 and raw[start:start + 5] == b'FLIR\0'
        for marker, start, _ in _segments(raw))


def encode_jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    """Return the JPEG file of uint8 HxWx3 RGB as flat uint8; `quality` is 1 to 100."""
    done, data = cv2.imencode(
        '.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise EncodingError(f'an image of {rgb.shape} cannot be written as JPEG')
    return data.reshape(-1)


def _orientation(raw: memoryview) -> int:
    """Return the tagged orientation (EXIF, 1 to 8); only a file that has tags is parsed for it."""
    if raw[:len(_PNG)] != _PNG:
        tagged = any(marker == _APP1 for marker, _, _ in _segments(raw))
    else:
        tagged = any(kind in _TAG_CHUNKS for kind, _, _ in _chunks(raw))
    return orientation.of_file(raw) if tagged else orientation.UPRIGHT


def _strict_jpeg(raw: memoryview) -> np.ndarray | None:
    """Return the pixels, refusing damage that OpenCV shows as gray; None where it must decode."""
    try:
        import simplejpeg  # here, because raw cameras do without it and it comes by pip alone
    except ImportError as error:
        raise EncodingError('a jpeg image cannot be decoded without the Python package simplejpeg '
                            f'({error}): {pip_install("simplejpeg")}') from error
    try:
        space = simplejpeg.decode_jpeg_header(raw)[2]
        if space not in ('Gray', 'YCbCr', 'RGB'):
            return None
        order = 'GRAY' if space == 'Gray' else 'BGR'
        try:
            array = simplejpeg.decode_jpeg(raw, order)
        except ValueError as error:
            # A few bytes too many before the end, which many webcams send, harm nothing.
            found = re.search(r'(\d+) extraneous bytes before marker 0xd9', str(error))
            if not found or int(found[1]) > _MOST_EXTRANEOUS:
                raise
            array = simplejpeg.decode_jpeg(raw, order, strict=False)
    except ValueError as error:
        raise EncodingError(
            f'the pixel data of the jpeg image are damaged ({error}); the camera or the network '
            'altered them') from error
    return array[..., 0] if space == 'Gray' else array


def _png_size(raw: memoryview) -> tuple[int, int]:
    if len(raw) < 33 or raw[12:16] != b'IHDR':
        raise EncodingError('the png image ends within its header; it was cut off')
    return struct.unpack('>II', raw[16:24])


def _chunks(raw: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of the content of each PNG chunk that is there whole."""
    place = len(_PNG)
    for _ in range(_MOST_PARTS):
        if place + 12 > len(raw):
            return
        length, = struct.unpack('>I', raw[place:place + 4])
        end = place + 8 + length
        if end + 4 > len(raw):
            return
        yield bytes(raw[place + 4:place + 8]), place + 8, end
        place = end + 4


def _check_png(raw: memoryview) -> None:
    """Walk the chunks; the CRC of each covers its type and its content."""
    for kind, start, end in _chunks(raw):
        if zlib.crc32(raw[start - 4:end]) != struct.unpack('>I', raw[end:end + 4])[0]:
            raise EncodingError(
                f'the png image is damaged: the checksum of its part at byte {start - 8} is '
                'wrong; the camera or the network altered it')
        if kind == b'acTL':
            raise EncodingError('the png image is a film; write each image as a file of its own')
        if kind == b'IEND':
            return
    raise EncodingError(
        f'the png image has {len(raw)} bytes and no end; it was cut off')


def _segments(raw: memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each JPEG segment up to and with the first scan's header."""
    place = 2
    for _ in range(_MOST_PARTS):
        if place + 4 > len(raw):
            break
        if raw[place] != 0xFF:
            raise EncodingError(
                f'the jpeg image is damaged at byte {place}: a segment begins there without a '
                'marker; the camera or the network altered it')
        marker = raw[place + 1]
        if marker == 0xFF or marker in _BARE:  # fill byte, or a marker that stands alone
            place += 1 if marker == 0xFF else 2
            continue
        end = place + 2 + struct.unpack('>H', raw[place + 2:place + 4])[0]
        if end < place + 4 or end > len(raw):
            break
        yield marker, place + 4, end
        if marker == _SCAN:
            return
        place = end
    raise EncodingError('the jpeg image ends within its header; it was cut off')


def _jpeg_size(raw: memoryview) -> tuple[int, int]:
    for marker, start, end in _segments(raw):
        if marker in _SIZES and end - start >= 6:
            height, width = struct.unpack('>HH', raw[start + 1:start + 5])
            return width, height
    raise EncodingError('the jpeg image has no frame header; the camera sent a broken image')


def _check_jpeg(raw: memoryview) -> None:
    """
    Look for an end, and for bytes that cannot stand in the pixel data (ISO 10918-1, B.1.1.5).

    A decoder fills what is missing with gray and says nothing, so it must not get that far.
    """
    *_, (_, _, place) = _segments(raw)
    body = np.frombuffer(raw, np.uint8)
    marks = np.flatnonzero(body[:-1] == 0xFF)
    after = body[marks + 1]
    # 00 is a stuffed FF, D0 to D7 restart, FF fills; any other marker ends the scan.
    marks = marks[(after != 0x00) & (after != 0xFF) & ((after < 0xD0) | (after > 0xD7))]
    for _ in range(_MOST_PARTS):
        index = int(np.searchsorted(marks, place))
        if index == len(marks):
            break
        place = int(marks[index])
        marker = raw[place + 1]
        if marker == _END:
            return
        # Progressive files have further scans, and tables between them.
        if marker not in _BETWEEN_SCANS:
            raise EncodingError(
                f'the jpeg image is damaged at byte {place}: no such marker may stand there; '
                'the camera or the network altered it')
        if place + 4 > len(raw):
            break
        place += 2 + struct.unpack('>H', raw[place + 2:place + 4])[0]
    raise EncodingError(f'the jpeg image has {len(raw)} bytes and no end; it was cut off')
