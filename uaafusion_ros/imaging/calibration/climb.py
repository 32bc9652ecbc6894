"""The homography that moves tiles to where they agree best."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from uaafusion_ros.imaging.registration.homography import corners
from uaafusion_ros.imaging.registration.homography import project

# Surfaces of agreement are made this many times finer before they are looked up.
FINENESS = 4

_FIRST_STEP = 2.0
_LAST_STEP = 0.02

# What a pixel (squared) of affine or perspective distortion has to gain in agreement, so that it
# stays small where no edges demand it.
_STIFFNESS = 0.003

# Moves of the four corners: two translations, scale, turn, two affine, two perspective.
_SIGNS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
_CROSS = _SIGNS.prod(axis=1)
_NOTHING = np.zeros(4)
_MODES = np.array([
    np.tile((1.0, 0.0), (4, 1)), np.tile((0.0, 1.0), (4, 1)),
    _SIGNS, _SIGNS[:, ::-1] * (-1, 1), _SIGNS * (1, -1), _SIGNS[:, ::-1],
    np.column_stack([_CROSS, _NOTHING]), np.column_stack([_NOTHING, _CROSS])])

# A camera whose mount was pushed sees its image move and turn, as good as nothing else.
PUSHED = (0, 1, 3)


def climb(centres: np.ndarray, surfaces: np.ndarray, size: tuple[int, int],
          modes: Sequence[int] = range(8)) -> np.ndarray:
    """
    Return the homography (3x3) of an image of `size` (width, height) with the most agreement.

    `surfaces` (N x moves x moves, float32) say how well the tile at each of `centres` (Nx2)
    agrees when moved by up to (moves - 1) / 2 pixels in x (columns) and y (rows). Searched by
    moving the corners in ever smaller steps along eight modes, which needs no derivative and
    always ends; `modes` are those that are tried.
    """
    fine = np.stack([upsampled(surface) for surface in surfaces])
    ends = corners(size).astype(np.float32)

    def matrix(amounts: np.ndarray) -> np.ndarray:
        moved = ends + np.tensordot(amounts, _MODES, 1)
        return cv2.getPerspectiveTransform(ends, moved.astype(np.float32))

    def worth(amounts: np.ndarray) -> float:
        found = _lookup(fine, project(matrix(amounts), centres) - centres)
        return float(found.sum() - _STIFFNESS * (amounts[4:]**2).sum())

    at = np.zeros(len(_MODES))
    best, step = worth(at), _FIRST_STEP
    while step > _LAST_STEP:
        improved = False
        for mode in modes:
            for change in (step, -step):
                tried = at.copy()
                tried[mode] += change
                value = worth(tried)
                if value > best + 1e-9:
                    at, best, improved = tried, value, True
                    break
        if not improved:
            step /= 2
    return matrix(at)


def upsampled(surface: np.ndarray) -> np.ndarray:
    """Return a square surface FINENESS times finer, interpolated by cubics."""
    places = np.arange((len(surface) - 1) * FINENESS + 1, dtype=np.float32) / FINENESS
    x, y = np.meshgrid(places, places)
    return cv2.remap(np.ascontiguousarray(surface, np.float32), x, y, cv2.INTER_CUBIC,
                     borderMode=cv2.BORDER_REPLICATE)


def _lookup(fine: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return each surface at its move, linearly between the fine places, 0 beyond its border."""
    last = fine.shape[1] - 1
    wanted = moves * FINENESS + last / 2
    beyond = ~((wanted >= 0) & (wanted <= last)).all(axis=1)
    wanted = np.clip(np.nan_to_num(wanted), 0, last)
    low = np.minimum(wanted.astype(int), last - 1)
    x, y = (wanted - low).T
    column, row = low.T
    tile = np.arange(len(fine))
    found = ((1 - y) * ((1 - x) * fine[tile, row, column] + x * fine[tile, row, column + 1])
             + y * ((1 - x) * fine[tile, row + 1, column] + x * fine[tile, row + 1, column + 1]))
    found[beyond] = 0
    return found
