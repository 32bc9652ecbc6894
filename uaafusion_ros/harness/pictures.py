"""What simulated cameras show: shipped stills through a moving window, or made-up images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from uaafusion_ros.errors import DatasetError

STILLS = Path(__file__).parents[1] / 'data' / 'tno'
# A common size of uncooled thermal sensors (4:3); every still gives frames of this size.
OUTPUT_SIZE = (384, 288)

# How much of the largest window that fits is shown; the rest is room to move in.
_COVER = 0.8
_PER_STILL = 4

# The made-up images with a hot block: places that it may have, and gray levels.
_COLUMNS, _ROWS = 8, 4
SLOTS = _COLUMNS * _ROWS
_HOT, _COLD, _GRAY = 235, 40, 90


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


def load_stills(folder: Path = STILLS) -> list[StillPair]:
    """
    Load the pairs rgb/NAME.png and thermal/NAME.png of a folder as gray uint8 images.

    Raises DatasetError if there is none, or if a file has no partner or is no image.
    """
    rgb = {path.stem: path for path in sorted((folder / 'rgb').glob('*.png'))}
    thermal = {path.stem: path for path in sorted((folder / 'thermal').glob('*.png'))}
    if not rgb or rgb.keys() != thermal.keys():
        raise DatasetError(
            f'{folder} must hold rgb/NAME.png and thermal/NAME.png for the same names; '
            f'found rgb {sorted(rgb)}, thermal {sorted(thermal)}: install the package again')
    return [StillPair(name, _gray(thermal[name]), _gray(rgb[name])) for name in rgb]


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


def _gray(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DatasetError(f'{path} is no readable image; install the package again')
    return image


def scene(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Return thermal (uint8 HxW) and RGB (uint8 HxWx3) with known places.

    Red on black to the left, a hot square to the right: what a swapped channel or a wrong row step
    would recolour or move.
    """
    rows = slice(height // 4, 3 * height // 4)
    rgb = np.full((height, width, 3), 40, np.uint8)
    rgb[rows, :width // 2] = (200, 30, 30)
    thermal = np.full((height, width), 50, np.uint8)
    thermal[rows, width // 2:] = 230
    return thermal, rgb


def block(number: int, width: int, height: int) -> tuple[slice, slice]:
    """Return rows and columns of the hot block of frame `number`."""
    row, column = divmod(number % SLOTS, _COLUMNS)
    return (slice(row * height // _ROWS, (row + 1) * height // _ROWS),
            slice(column * width // _COLUMNS, (column + 1) * width // _COLUMNS))


def hot_slot(fused: np.ndarray, least_contrast: float = 20.0) -> int | None:
    """Return the slot, 0 to 31, whose block is hottest in a fused uint8 HxWx3; None if none is."""
    luma = fused.astype(np.float32).mean(2)
    height, width = luma.shape
    means = np.array([luma[block(slot, width, height)].mean() for slot in range(SLOTS)])
    best = int(means.argmax())
    return best if means[best] - np.median(means) >= least_contrast else None


def image_pairs(kind: str, width: int, height: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the images, thermal uint8 HxW and RGB uint8 HxWx3, that frames show in turn."""
    if kind == 'stills':
        return [pair for still in load_stills()
                for pair in frames(still, _PER_STILL, (width, height))]
    if kind == 'scene':
        thermal, rgb = scene(width, height)
        return [(thermal, rgb), (thermal + 1, rgb + 1)]
    pairs = []
    for number in range(SLOTS):
        noise = np.random.default_rng(number).integers(0, 6, (height, width), np.uint8)
        thermal = _COLD + noise
        thermal[block(number, width, height)] += np.uint8(_HOT - _COLD)
        pairs.append((thermal, np.repeat((_GRAY + noise)[..., None], 3, 2)))
    return pairs
