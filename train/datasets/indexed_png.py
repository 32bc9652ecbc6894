"""The samples of an indexed PNG, which OpenCV would replace by the colours of its palette."""

from __future__ import annotations

from pathlib import Path
import struct
import zlib

import cv2
import numpy as np

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_DEPTH, _COLOUR_TYPE = 8, 9  # bytes within IHDR (PNG 1.2, section 4.1.1)
_GRAY, _INDEXED = 0, 3


def read_indices(path: Path) -> np.ndarray | None:
    """
    Return the palette indices (uint8 HxW) of an indexed PNG, or None for any other file.

    Annotation tools write class ids this way. The file is decoded as if it were gray, so that two
    ids of one colour stay two ids.
    """
    data = path.read_bytes()
    if data[:8] != _SIGNATURE or len(data) < 33 or data[16 + _COLOUR_TYPE] != _INDEXED:
        return None
    depth = data[16 + _DEPTH]
    gray, place = [_SIGNATURE], 8
    while place + 12 <= len(data):
        length, kind = struct.unpack('>I4s', data[place:place + 8])
        body = data[place + 8:place + 8 + length]
        if kind == b'IHDR':
            body = body[:_COLOUR_TYPE] + bytes([_GRAY]) + body[_COLOUR_TYPE + 1:]
        if kind in (b'IHDR', b'IDAT', b'IEND'):
            gray.append(struct.pack('>I', len(body)) + kind + body
                        + struct.pack('>I', zlib.crc32(kind + body)))
        place += 12 + length
    image = cv2.imdecode(np.frombuffer(b''.join(gray), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2:
        return None
    # Gray of fewer bits is spread over 0..255.
    return image // (255 // (2 ** depth - 1))
