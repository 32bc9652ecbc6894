"""
Read an image message pixel by pixel, from the published definitions and from nothing of ours.

Byte layouts follow sensor_msgs/msg/Image and sensor_msgs/image_encodings.hpp, YUV those of the
V4L2 documentation; colours are BT.601. It is slow and shares no code with the package, so that
what both say of a message can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
import struct
from typing import Any

import numpy as np

# name -> (kind, bytes per sample, channels)
LAYOUTS = {
    'mono8': ('gray', 1, 1), '8uc1': ('gray', 1, 1), 'mono16': ('gray', 2, 1),
    '16uc1': ('gray', 2, 1), '32fc1': ('float', 4, 1),
    'rgb8': ('rgb', 1, 3), 'bgr8': ('bgr', 1, 3), 'rgba8': ('rgb', 1, 4), 'bgra8': ('bgr', 1, 4),
    '8uc3': ('bgr', 1, 3), '8uc4': ('bgr', 1, 4), 'rgb16': ('rgb', 2, 3), 'bgr16': ('bgr', 2, 3),
    **{f'bayer_{cells}{bits}': (f'bayer {cells}', bits // 8, 1)
       for cells in ('rggb', 'bggr', 'gbrg', 'grbg') for bits in (8, 16)},
    'uyvy': ('packed uyvy', 1, 2), 'yuv422': ('packed uyvy', 1, 2),
    'yuyv': ('packed yuyv', 1, 2), 'yuv422_yuy2': ('packed yuyv', 1, 2),
    'nv12': ('planar uv', 1, 1), 'nv21': ('planar vu', 1, 1),
}


@dataclass(frozen=True)
class Decoded:
    """
    What a message shows: colours as 8 bits (None where undefined), and its one thermal channel.

    `rgb` is float HxWx3 before rounding, `thermal` float HxW in the message's own values. The
    tolerances are steps of 8 bits, for rounding and for the fixed-point arithmetic of a quick
    implementation. `inner` says that the outermost pixels are a neighbour's, as interpolation
    leaves them.
    """

    rgb: np.ndarray | None
    thermal: np.ndarray
    rgb_tolerance: float
    thermal_tolerance: float
    sample_bytes: int
    inner: bool


def decode(msg: Any, max_pixels: int) -> Decoded | None:
    """Return what the message `msg` shows, or None where it contradicts itself."""
    layout = LAYOUTS.get(msg.encoding.lower())
    width, height, step = msg.width, msg.height, msg.step
    if layout is None or not width or not height or width * height > max_pixels:
        return None
    kind, size, channels = layout
    if kind.startswith('bayer') and min(width, height) < 3:
        return None
    if kind.startswith(('packed', 'planar')) and width % 2:
        return None
    if kind.startswith('planar') and height % 2:
        return None
    rows = height * 3 // 2 if kind.startswith('planar') else height
    row_bytes = width * size * channels
    if step < row_bytes or not step * (rows - 1) + row_bytes <= len(msg.data) <= step * rows:
        return None
    return _pixels(bytes(msg.data), kind, size, channels, width, height, step,
                   'big' if msg.is_bigendian else 'little')


def _pixels(data, kind, size, channels, width, height, step, order) -> Decoded:
    def sample(y: int, x: int, channel: int = 0) -> float:
        at = y * step + (x * channels + channel) * size
        if kind == 'float':
            return struct.unpack_from('>f' if order == 'big' else '<f', data, at)[0]
        return int.from_bytes(data[at:at + size], order)

    def grid(value) -> np.ndarray:
        return np.array([[value(y, x) for x in range(width)] for y in range(height)], float)

    depth = 1.0 if size == 1 else 1 / 257
    if kind in ('gray', 'float'):
        gray = grid(sample)
        rgb = None if kind == 'float' else np.repeat(gray[..., None] * depth, 3, 2)
        return Decoded(rgb, gray, 0.51, 0.51, size, False)
    if kind in ('rgb', 'bgr'):
        places = (0, 1, 2) if kind == 'rgb' else (2, 1, 0)
        rgb = np.stack([grid(lambda y, x, place=place: sample(y, x, place))
                        for place in places], 2)
        return Decoded(rgb * depth, _luma(rgb), 0.51, 1.01, size, False)
    if kind.startswith('bayer'):
        rgb = _bilinear(sample, kind[-4:], width, height)
        return Decoded(rgb * depth, _luma(rgb), 1.01, 2.0, size, True)
    luma, blue, red = _yuv(sample, kind, width, height)
    raised = 1.164383 * (luma - 16.0).clip(0.0)
    rgb = np.stack([raised + 1.596027 * (red - 128.0),
                    raised - 0.391762 * (blue - 128.0) - 0.812968 * (red - 128.0),
                    raised + 2.017232 * (blue - 128.0)], 2).clip(0.0, 255.0)
    return Decoded(rgb, luma, 1.5, 0.0, 1, False)


def _luma(rgb: np.ndarray) -> np.ndarray:
    return rgb @ (0.299, 0.587, 0.114)


def _bilinear(sample, cells: str, width: int, height: int) -> np.ndarray:
    """Give each pixel the mean of the nearest cells of a colour; the border is left at zero."""
    rgb = np.zeros((height, width, 3))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            near: dict[str, dict[int, list[float]]] = {colour: {} for colour in 'rgb'}
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    colour = cells[2 * ((y + down) % 2) + (x + right) % 2]
                    near[colour].setdefault(down ** 2 + right ** 2, []).append(
                        sample(y + down, x + right))
            for channel, colour in enumerate('rgb'):
                nearest = near[colour][min(near[colour])]
                rgb[y, x, channel] = math.fsum(nearest) / len(nearest)
    return rgb


def _yuv(sample, kind: str, width: int, height: int) -> tuple[np.ndarray, ...]:
    layout = kind.partition(' ')[2]
    planes = np.zeros((3, height, width))
    for y in range(height):
        for x in range(width):
            even = x - x % 2
            if kind.startswith('packed'):
                first = layout.startswith('y')  # luma comes first, or chroma does
                planes[:, y, x] = (sample(y, x, 0 if first else 1),
                                   sample(y, even, 1 if first else 0),
                                   sample(y, even + 1, 1 if first else 0))
            else:
                pair = (sample(height + y // 2, even), sample(height + y // 2, even + 1))
                planes[:, y, x] = (sample(y, x), *(pair if layout == 'uv' else pair[::-1]))
    return tuple(planes)
