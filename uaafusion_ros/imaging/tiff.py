"""TIFF files: what their directories say, checked before OpenCV decodes them."""

from __future__ import annotations

from io import BytesIO
import re
import struct
import warnings

import cv2
import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging import orientation
from uaafusion_ros.imaging.quiet_opencv import quiet_opencv

MAGIC = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
READS_BIG = tuple(int(part) for part in cv2.__version__.split('.')[:2]) >= (4, 6)

# Tags of TIFF 6.0.
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_DESCRIPTION, _ORIENTATION, _SAMPLES, _FORMAT = 270, 274, 277, 339
_STRIPS, _TILES = (273, 279), (324, 325)  # where the data lie, and how many bytes each
_BIG = 43
_UNCOMPRESSED, _WHITE_IS_ZERO = 1, 0
_THUMBNAIL, _MASK = 1, 4  # bits of _SUBFILE
_MOST_PAGES = 10_000
_KINDS = {1: 'u', 2: 'i', 3: 'f'}


def read(data: bytes, max_pixels: int) -> np.ndarray:
    """
    Return the upright pixels of a TIFF file, HxW or HxWxC (blue, green, red, alpha).

    Any dtype that the file has: integers of 8 to 64 bits, float32 and float64. Gray where white
    is zero is turned round. Raises EncodingError for a file that is damaged, cut off, larger
    than `max_pixels`, of a kind that cannot be decoded, or that holds several images.
    """
    if data[:4] in MAGIC[2:] and not READS_BIG:
        raise EncodingError(f'the image is a BigTIFF, which OpenCV {cv2.__version__} does not '
                            'read; write it as a TIFF, or install OpenCV 4.6 or newer')
    try:
        pages = _pages(data)
        page = pages[0] if pages else {}
        width, height = int(page.get(_WIDTH, 0)), int(page.get(_HEIGHT, 0))
        bits, samples = int(_first(page.get(_BITS, 1))), int(page.get(_SAMPLES, 1))
        kind = _KINDS.get(int(_first(page.get(_FORMAT, 1))), 'unknown')
        described = re.search(r'^images=(\d+)', str(page.get(_DESCRIPTION, '')), re.MULTILINE)
        missing = _missing(page, len(data), width * height * bits * samples // 8)
    except Exception as error:  # Pillow and int() raise what damaged tags lead to
        raise EncodingError(f'the tiff image is damaged: its directory cannot be read ({error})'
                            ) from error
    count = max(len(pages), int(described[1]) if described else 1)
    if count > 1:
        raise EncodingError(
            f'the tiff file is a film or stack of {count} images; write each as a file of its own')
    if not width or not height:
        raise EncodingError('the tiff image has no pixels; its directory is broken')
    if width * height > max_pixels:
        raise EncodingError(f'the tiff image of {width} x {height} has more than {max_pixels} '
                            'pixels; cut it into smaller ones')
    if missing:
        raise EncodingError(f'the tiff image has {len(data)} bytes, {missing} fewer than its '
                            'directory says; it was cut off: copy it again')
    if samples > 4:
        raise EncodingError(f'the tiff image has {samples} channels; accepted are 1 to 4, a '
                            'stack has to be written as one file for each image')
    array = _decoded(data)
    if (kind, bits) == ('i', 16):  # which the OpenCV of Ubuntu 22.04 takes for unsigned
        array = array.view(np.int16) if array.dtype == np.uint16 else array
    # An OpenCV that does not know a format must not answer with something else.
    if array.shape[:2] not in ((height, width), (width, height)) or bits >= 8 and (
            array.dtype.itemsize * 8 != (16 if 8 < bits < 16 else bits)
            or bits in (32, 64) and array.dtype.kind != kind):
        raise EncodingError(
            f'the tiff image of {samples} x {bits} bits cannot be decoded by OpenCV '
            f'{cv2.__version__}; write it uncompressed as uint8, uint16 or float32')
    if int(page.get(_PHOTOMETRIC, 1)) == _WHITE_IS_ZERO and array.dtype == np.uint16:
        array = np.iinfo(array.dtype).max - array  # of 8 bits OpenCV does it itself
    found = int(page.get(_ORIENTATION, orientation.UPRIGHT))
    return orientation.upright(array, found if 1 <= found <= 8 else orientation.UPRIGHT)


def _pages(data: bytes) -> list[dict]:
    """Return the tags of every page but thumbnails and masks."""
    head = data[:16] if data[2:3] == b'+' or data[3:4] == b'+' else data[:8]
    file, directory = BytesIO(data), ImageFileDirectory_v2(head)
    pages: list[dict] = []
    seen: set[int] = set()
    place = directory.next
    while place and place not in seen and len(seen) < _MOST_PAGES:
        seen.add(place)
        if place >= len(data):
            raise ValueError(f'there is none at byte {place}')
        file.seek(place)
        directory = ImageFileDirectory_v2(head)
        with warnings.catch_warnings():
            warnings.simplefilter('error')  # else Pillow warns of cut tags and goes on
            directory.load(file)
            tags = dict(directory)
        place = directory.next
        if not int(tags.get(_SUBFILE, 0)) & (_THUMBNAIL | _MASK):
            pages.append(tags)
    return pages


def _missing(page: dict, size: int, expected: int) -> int:
    """Return how many bytes of the pixel data lie behind the file's end or are not named."""
    places, counts = next(
        ((page[place], page[count]) for place, count in (_STRIPS, _TILES)
         if place in page and count in page), ((), ()))
    places, counts = _tuple(places), _tuple(counts)
    beyond = max((place + count - size for place, count in zip(places, counts)), default=0)
    if int(page.get(_COMPRESSION, _UNCOMPRESSED)) == _UNCOMPRESSED:
        beyond = max(beyond, expected - sum(counts))
    return max(beyond, 0)


def _decoded(data: bytes) -> np.ndarray:
    # OpenCV obeys the orientation in some releases and formats only: it is not to see it. What it
    # would print of damage is said by the error.
    try:
        with quiet_opencv():
            array = cv2.imdecode(np.frombuffer(_without_orientation(data), np.uint8),
                                 cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise EncodingError(f'the tiff image cannot be decoded: {error.err}') from error
    if array is None:
        raise EncodingError('the tiff image is damaged, or compressed in a way that OpenCV does '
                            'not know; write it uncompressed or with LZW or Deflate')
    return array


def _without_orientation(data: bytes) -> bytes:
    order = '<' if data[:2] == b'II' else '>'
    big = struct.unpack(f'{order}H', data[2:4])[0] == _BIG
    place, = struct.unpack_from(f'{order}Q' if big else f'{order}I', data, 8 if big else 4)
    count_form, step = ('Q', 20) if big else ('H', 12)
    count, = struct.unpack_from(f'{order}{count_form}', data, place)
    first = place + struct.calcsize(f'{order}{count_form}')
    for entry in range(first, min(first + count * step, len(data) - step + 1), step):
        if struct.unpack_from(f'{order}H', data, entry)[0] == _ORIENTATION:
            value = entry + step - (8 if big else 4)
            return data[:value] + struct.pack(f'{order}H', 1) + data[value + 2:]
    return data


def _first(value):
    return _tuple(value)[0]


def _tuple(value) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)
