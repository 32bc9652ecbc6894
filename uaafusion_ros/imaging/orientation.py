"""The orientation tag of image files (EXIF 2.3, tag 274), and pixels turned by it."""

from __future__ import annotations

from io import BytesIO
import warnings

import numpy as np

UPRIGHT = 1

_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)


def of_file(data) -> int:
    """
    Return the orientation that an image file's EXIF or XMP names, 1 to 8; 1 where it names none.

    `data` is a contiguous buffer: a file whose size has been checked, as a PNG may be decoded to
    find a tag behind its pixels.
    """
    from PIL import Image  # Pillow reads these tags in every container

    try:
        with warnings.catch_warnings(), Image.open(BytesIO(data)) as image:
            warnings.simplefilter('ignore')  # Pillow warns of cut tags, and leaves them out
            found = image.getexif().get(_TAG, UPRIGHT)
    except Exception:  # tags are free-form; Pillow raises what its parsers stumble over
        return UPRIGHT
    return found if found in range(1, 9) else UPRIGHT


def is_sideways(orientation: int) -> bool:
    """Return whether width and height change places."""
    return orientation in _SIDEWAYS


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Return HxW or HxWxC pixels turned and mirrored as the orientation asks, contiguous."""
    if orientation in (5, 7):
        array = np.swapaxes(array, 0, 1)
    elif orientation in (6, 8):
        array = np.rot90(array, -1 if orientation == 6 else 1)
    if orientation in (2, 3):
        array = array[:, ::-1]
    if orientation in (3, 4):
        array = array[::-1]
    if orientation == 7:
        array = array[::-1, ::-1]
    return np.ascontiguousarray(array)
