"""How well the edges of tiles of many images agree, for all moves of a few pixels at once."""

from __future__ import annotations

from collections.abc import Generator
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from uaafusion_ros.imaging.calibration.climb import FINENESS
from uaafusion_ros.imaging.calibration.climb import upsampled
from uaafusion_ros.imaging.calibration.coarse import warp
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.registration.edges import directions

# A peak this many standard deviations over its surface is no chance.
_CLEAR = 2.0


@dataclass(frozen=True)
class Step:
    """Halvings of the image, half a tile's side, longest move (after halving), repeats."""

    halvings: int
    cell: int
    reach: int
    repeats: int


@dataclass(frozen=True)
class Tiles:
    """
    Agreement of tiles: `agreement` is views x tiles x moves x moves, `centres` tiles x 2.

    Both in pixels of the image halved `halvings` times.
    """

    centres: np.ndarray
    agreement: np.ndarray
    halvings: int

    def pooled(self, used: Sequence[int]) -> np.ndarray:
        """Return tiles x moves x moves of some views, relative to chance."""
        total = self.agreement[list(used)].sum(axis=0)
        return total - np.median(total, axis=(1, 2), keepdims=True)

    def moves_of_views(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each view's own best move (views x 2, pixels) and whether it is clear."""
        surfaces = self.agreement.sum(axis=1)
        peaks = [peak(surface) for surface in surfaces]
        return (np.array([move for _, move in peaks]) * 2**self.halvings,
                np.array([top > _CLEAR * float(surface.std()) > 0
                          for (top, _), surface in zip(peaks, surfaces)]))

    def moves_of_tiles(self, used: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return each tile's own best move (tiles x 2, pixels) and whether it is clear."""
        surfaces = self.pooled(used)
        peaks = [peak(surface) for surface in surfaces]
        limit = (surfaces.shape[-1] - 1) / 2
        return (np.array([move for _, move in peaks]) * 2**self.halvings,
                np.array([top > _CLEAR * float(surface.std()) > 0 and np.abs(move).max() < limit
                          for (top, move), surface in zip(peaks, surfaces)]))

    def surfaces(self) -> np.ndarray:
        """
        Return per view (views x moves x moves) how well each move agrees, over all tiles.

        In standard deviations over the median of the moves: each view by its own spread, so that
        none outweighs the others.
        """
        total = self.agreement.sum(axis=1)
        return ((total - np.median(total, axis=(1, 2), keepdims=True))
                / np.maximum(total.std(axis=(1, 2), keepdims=True), 1e-9))


def measure(views: Sequence[View], matrix: np.ndarray, step: Step) -> Generator[None, None, Tiles]:
    """
    Return the agreement of all tiles; yields after each view.

    `matrix` (3x3) maps thermal pixels to those of the luma halved `step.halvings` times.
    """
    height, width = (side >> step.halvings for side in views[0].luma.shape)
    cell, reach = min(step.cell, height // 2, width // 2), step.reach
    rows, columns = (-(-side // cell) for side in (height, width))
    below, right = rows * cell - height, columns * cell - width
    moves = 2 * reach + 1
    surfaces = np.zeros((len(views), rows - 1, columns - 1, moves, moves), np.float32)
    own = np.zeros((rows - 1, columns - 1))
    other = np.zeros((rows - 1, columns - 1, moves, moves))
    for v, view in enumerate(views):
        luma = view.luma
        for _ in range(step.halvings):
            luma = cv2.resize(luma, (luma.shape[1] // 2, luma.shape[0] // 2),
                              interpolation=cv2.INTER_AREA)
        moving = cv2.copyMakeBorder(
            directions(*warp(view.thermal, matrix, (width, height))), 0, below, 0, right,
            cv2.BORDER_CONSTANT, value=(0, 0))
        fixed = cv2.copyMakeBorder(directions(luma), reach, reach + below, reach, reach + right,
                                   cv2.BORDER_CONSTANT, value=(0, 0))
        # Vectors as complex numbers: the real part of a product with a conjugate is the dot
        # product, and that of Fourier transforms gives those of all moves at once.
        side = cv2.getOptimalDFTSize(cell + 2 * reach)
        spectra = [np.fft.fft2(_cut(image.view(np.complex64)[..., 0], window, cell), (side, side))
                   for image, window in ((moving, cell), (fixed, cell + 2 * reach))]
        products = np.fft.ifft2(spectra[1] * spectra[0].conj()).real[..., :moves, :moves]
        surfaces[v] = _of_tiles(products)
        own += cell * cell * _of_tiles(cv2.resize(
            _squared(moving), (columns, rows), interpolation=cv2.INTER_AREA))
        total = cv2.integral(_squared(fixed))
        under = (total[2 * cell:, 2 * cell:] - total[:-2 * cell, 2 * cell:]
                 - total[2 * cell:, :-2 * cell] + total[:-2 * cell, :-2 * cell])
        other += _cut(under, moves, cell)
        yield
    # Correlation coefficients of all views together, weighted by how much edge a tile has.
    surfaces /= np.sqrt(np.maximum(other, 1e-3) * max(float(own.max()), 1e-3))
    ends = np.meshgrid(np.arange(1, columns), np.arange(1, rows))
    centres = np.stack(ends, axis=-1).reshape(-1, 2) * cell - 0.5
    return Tiles(centres, surfaces.reshape(len(views), -1, moves, moves), step.halvings)


def _squared(vectors: np.ndarray) -> np.ndarray:
    return np.einsum('yxc,yxc->yx', vectors, vectors)


def _cut(image: np.ndarray, window: int, pitch: int) -> np.ndarray:
    """Return the square windows (rows x columns x window x window) at every `pitch` pixels."""
    return np.lib.stride_tricks.sliding_window_view(image, (window, window))[::pitch, ::pitch]


def _of_tiles(cells: np.ndarray) -> np.ndarray:
    """Return the sums of a tile's four cells; tiles overlap by half."""
    pairs = cells[:-1] + cells[1:]
    return pairs[:, :-1] + pairs[:, 1:]


def peak(surface: np.ndarray) -> tuple[float, np.ndarray]:
    """Return height over the median and place (x, y), relative to the centre, of the maximum."""
    fine = upsampled(surface)
    row, column = np.unravel_index(fine.argmax(), fine.shape)
    return (float(fine[row, column] - np.median(surface)),
            np.array([column, row]) / FINENESS - (surface.shape[0] - 1) / 2)


def halved(times: int) -> np.ndarray:
    """Return the matrix (3x3) of pixels to those of the image halved so many times."""
    share = 0.5**times
    return np.array([[share, 0, (share - 1) / 2], [0, share, (share - 1) / 2], [0, 0, 1]])
