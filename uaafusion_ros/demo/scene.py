"""Camera motion over a still pair: a window that glides across both images alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

import cv2
import numpy as np

from uaafusion_ros.errors import DatasetError

# A common size of uncooled thermal sensors (4:3); every still gives frames of this size.
OUTPUT_SIZE = (384, 288)

# How much of the largest window that fits is shown; the rest is room to move in.
_COVER = 0.8


@dataclass(frozen=True)
class StillPair:
    """A registered pair, thermal and rgb both uint8 HxW of the same size."""

    name: str
    thermal: np.ndarray
    rgb: np.ndarray


@dataclass(frozen=True)
class Window:
    """A rectangle in pixels of the still: left, top (of its first pixel's edge), width, height."""

    x: float
    y: float
    width: float
    height: float


def pan(image_size: tuple[int, int], count: int,
        output_size: tuple[int, int] = OUTPUT_SIZE) -> list[Window]:
    """
    Plan `count` windows along the image's diagonal, from the top left to the bottom right.

    Sizes are (width, height). The windows have the output's aspect ratio, share one size and
    lie inside the image; the motion starts and stops gently (smoothstep 3t^2 - 2t^3).
    """
    image_width, image_height = image_size
    scale = _COVER * min(image_width / output_size[0], image_height / output_size[1])
    width, height = scale * output_size[0], scale * output_size[1]
    windows = []
    for t in np.linspace(0.0, 1.0, count) if count > 1 else [0.5]:
        way = float(t * t * (3.0 - 2.0 * t))
        windows.append(
            Window(way * (image_width - width), way * (image_height - height), width, height))
    return windows


def look(image: np.ndarray, window: Window,
         output_size: tuple[int, int] = OUTPUT_SIZE) -> np.ndarray:
    """Resample one window of an uint8 image, with parts of pixels, to (width, height)."""
    scale_x = window.width / output_size[0]
    scale_y = window.height / output_size[1]
    # Pixel centres lie at +0.5: output pixel u shows the still at x + (u + 0.5) * scale - 0.5.
    to_still = np.array([
        [scale_x, 0.0, window.x + 0.5 * scale_x - 0.5],
        [0.0, scale_y, window.y + 0.5 * scale_y - 0.5]])
    return cv2.warpAffine(
        image, to_still, output_size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE)


def frames(still: StillPair, count: int,
           output_size: tuple[int, int] = OUTPUT_SIZE) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """
    Yield `count` frames (thermal uint8 HxW, rgb uint8 HxWx3) seen through the same windows.

    The still's gray visible image stands in all three channels. Raises DatasetError if the two
    images of the still differ in size.
    """
    if still.thermal.shape != still.rgb.shape:
        raise DatasetError(
            f'pair {still.name}: thermal is {_size(still.thermal)}, rgb {_size(still.rgb)}; '
            'both must be registered on one pixel grid')
    height, width = still.thermal.shape
    for window in pan((width, height), count, output_size):
        gray = look(still.rgb, window, output_size)
        yield look(still.thermal, window, output_size), np.repeat(gray[..., None], 3, axis=2)


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]}x{image.shape[0]}'
