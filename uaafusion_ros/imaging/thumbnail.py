"""A small gray image, quickly, to see by how much images change."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging import compressed

_ROWS, _COLUMNS = 48, 64


def thumbnail(array: np.ndarray, encoding: str) -> np.ndarray | None:
    """
    Return a frame's image as 48x64 float32 in its own units, None where it cannot be read.

    `array` and `encoding` are those of a `Frame`. Of raw images every so many whole rows are
    averaged across, whatever their layout: the values of a pixel, of a mosaic or of interleaved
    colours add to one gray, and images of a layout compare. A compressed one must be decoded.
    """
    if compressed.is_compressed(encoding):
        try:
            # Of a JPEG the quarter size costs a part of what all its pixels would.
            decoded: Any = (cv2.imdecode(array, cv2.IMREAD_REDUCED_GRAYSCALE_4)
                            if encoding.endswith('jpeg') else compressed.pixels(array))
        except (cv2.error, EncodingError):  # said by what needs the image
            return None
        if decoded is None:
            return None
        array = decoded
    rows = array[np.linspace(0, len(array) - 1, _ROWS).round().astype(int)].reshape(_ROWS, -1)
    small = cv2.resize(np.asarray(rows, np.float32), (_COLUMNS, _ROWS),
                       interpolation=cv2.INTER_AREA)
    return np.nan_to_num(small, posinf=0.0, neginf=0.0)
