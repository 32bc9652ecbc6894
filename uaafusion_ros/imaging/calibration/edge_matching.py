"""
Calibration without a board: the homography under which the edges of many views agree best.

No feature descriptor matches between thermal and RGB images; where edges run is what they share.
From a first guess on, the images are cut into tiles, the agreement of each tile is measured for
all moves of a few pixels and summed over views (one homography holds for all of them), and the
homography is sought whose moves of the tiles collect most agreement. Tiles without edges are
flat and have no say, so that nothing has to be decided tile by tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.calibration.climb import climb
from uaafusion_ros.imaging.calibration.climb import FINENESS
from uaafusion_ros.imaging.calibration.climb import upsampled
from uaafusion_ros.imaging.calibration.coarse import search
from uaafusion_ros.imaging.calibration.coarse import warp
from uaafusion_ros.imaging.calibration.contract import Fit
from uaafusion_ros.imaging.calibration.contract import HeldOut
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.calibration.contract import ViewReport
from uaafusion_ros.imaging.registration.edges import directions
from uaafusion_ros.imaging.registration.homography import corners
from uaafusion_ros.imaging.registration.homography import project

# Images are brought to about this width, which is where the steps below are right.
_WIDTH = 640

# A peak this many standard deviations over its surface is no chance.
_CLEAR = 4.0
_FEWEST_CLEAR_TILES = 24

# Of the clear tiles, so many must ask for less than this move; a third may after a fit to chance.
_AGREEING_SHARE = 0.35
_AGREEING_PX = 2.0

# A view whose own best move is longer than this (at _WIDTH) contradicts the others.
_FARTHEST_VIEW = 7.0


@dataclass(frozen=True)
class _Step:
    """Halvings of the image, half a tile's side, longest move (after halving), repeats."""

    halvings: int
    cell: int
    reach: int
    repeats: int


_ROUGH = (_Step(2, 20, 5, 2), _Step(1, 32, 6, 2))
_FINE = _Step(1, 24, 5, 3)


@dataclass(frozen=True)
class _Tiles:
    """
    Agreement of tiles: `agreement` is views x tiles x moves x moves, `centres` tiles x 2.

    `energy` (tiles) is that of the thermal edges in a tile, of all views together.
    """

    centres: np.ndarray
    agreement: np.ndarray
    energy: np.ndarray

    def pooled(self, used: Sequence[int]) -> np.ndarray:
        """Return tiles x moves x moves of some views, relative to chance."""
        total = self.agreement[list(used)].sum(axis=0)
        return total - np.median(total, axis=(1, 2), keepdims=True)


def match(views: Sequence[View]) -> Fit:
    """
    Return the homography of all views; a view whose edges contradict the others is left out.

    All views must have the same sizes, and half of them must agree. The error is the distance
    between each tile's own best move and that of the homography, over the tiles that have a clear
    one; a view's error is the length of its own best move. Raises RegistrationError if the images
    share too few edges.
    """
    sizes = {(view.thermal.shape, view.luma.shape) for view in views}
    if len(sizes) != 1:
        raise RegistrationError(
            f'the views have {len(sizes)} different sizes; calibrate with images of one size'
            if views else 'there is no view to calibrate with')
    full = views[0].luma.shape[::-1]
    views, shrink = _sized(views)
    matrix = search(views)
    used = list(range(len(views)))
    for step in _ROUGH:
        matrix, tiles = _refined(views, used, matrix, step)
    lengths, clear = _own_moves(tiles, _ROUGH[-1])
    used = [i for i in used if clear[i] and lengths[i] <= _FARTHEST_VIEW]
    if 2 * len(used) < len(views):
        raise _too_few_edges()
    matrix, tiles = _refined(views, used, matrix, _FINE)
    errors = _tile_errors(tiles, used, _FINE)
    if len(errors) < _FEWEST_CLEAR_TILES or np.mean(errors < _AGREEING_PX) < _AGREEING_SHARE:
        raise _too_few_edges()
    pitch = full[0] / views[0].luma.shape[1]
    fine, _ = _own_moves(tiles, _FINE)
    reports = tuple(
        ViewReport(view.name, float(pitch * (fine[i] if i in used else lengths[i])),
                   len(tiles.centres), _why(i in used, clear[i]))
        for i, view in enumerate(views))
    matrix = np.linalg.inv(shrink) @ matrix
    return Fit(matrix / matrix[2, 2], float(pitch * np.sqrt(np.mean(errors**2))), len(errors),
               reports)


def check_on(views: Sequence[View], matrix: np.ndarray) -> HeldOut:
    """
    Judge a homography by views that it was not fitted to.

    Its uncertainty is how far any place that both cameras see moves when it is fitted to these
    views alone, from where it is.
    """
    thermal_size, full = (image.shape[::-1] for image in (views[0].thermal, views[0].luma))
    views, shrink = _sized(views)
    start = shrink @ matrix
    again, _ = _refined(views, range(len(views)), start, _FINE)
    level = _halved(_FINE.halvings)
    tiles = _measure(views, level @ start, _FINE)
    surfaces = tiles.agreement.sum(axis=1)
    # Each by its own spread, so that no view outweighs the others.
    scores = (surfaces[:, _FINE.reach, _FINE.reach] - np.median(surfaces, axis=(1, 2))
              ) / np.maximum(surfaces.std(axis=(1, 2)), 1e-9)
    places = _shared_places(matrix, thermal_size, full)
    moves = project(np.linalg.inv(shrink) @ again, places) - project(matrix, places)
    return HeldOut(float(np.hypot(*moves.T).max(initial=0)) if len(places) else np.inf, scores)


def _shared_places(matrix: np.ndarray, thermal_size: tuple[int, int],
                  rgb_size: tuple[int, int]) -> np.ndarray:
    """Return thermal pixels (Nx2) on a grid of 17x17 that lie in the RGB image."""
    right, bottom = (np.linspace(0, side - 1, 17) for side in thermal_size)
    places = np.stack(np.meshgrid(right, bottom), axis=-1).reshape(-1, 2)
    seen = project(matrix, places)
    return places[((seen >= 0) & (seen <= np.array(rgb_size) - 1)).all(axis=1)]


def _refined(views: Sequence[View], used: Sequence[int], matrix: np.ndarray,
             step: _Step) -> tuple[np.ndarray, _Tiles]:
    """Return the matrix after a step, and the tiles as its last repeat found them."""
    level = _halved(step.halvings)
    back = np.linalg.inv(level)
    for _ in range(step.repeats):
        tiles = _measure(views, level @ matrix, step)
        size = tuple(max(side >> step.halvings, 2) for side in views[0].luma.shape[::-1])
        change = climb(tiles.centres, tiles.pooled(used), size)
        matrix = back @ change @ level @ matrix
        ends = corners(size)
        if np.abs(project(change, ends) - ends).max() < 0.1:
            break
    return matrix, tiles


def _measure(views: Sequence[View], matrix: np.ndarray, step: _Step) -> _Tiles:
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
        area = cell * cell
        own += area * _of_tiles(cv2.resize(
            (moving**2).sum(axis=2), (columns, rows), interpolation=cv2.INTER_AREA))
        total = cv2.integral((fixed**2).sum(axis=2))
        product = np.empty_like(moving)
        for y in range(moves):
            for x in range(moves):
                cv2.multiply(moving, fixed[y:y + rows * cell, x:x + columns * cell], product)
                sums = cv2.resize(product, (columns, rows), interpolation=cv2.INTER_AREA)
                surfaces[v, ..., y, x] = area * _of_tiles(sums.sum(axis=2))
                corner = total[y:y + rows * cell + 1:cell, x:x + columns * cell + 1:cell]
                other[..., y, x] += (corner[2:, 2:] - corner[:-2, 2:] - corner[2:, :-2]
                                     + corner[:-2, :-2])
    # Correlation coefficients of all views together, weighted by how much edge a tile has.
    surfaces /= np.sqrt(np.maximum(other, 1e-3) * max(float(own.max()), 1e-3))
    ends = np.meshgrid(np.arange(1, columns), np.arange(1, rows))
    centres = np.stack(ends, axis=-1).reshape(-1, 2) * cell - 0.5
    return _Tiles(centres, surfaces.reshape(len(views), -1, moves, moves), own.ravel())


def _of_tiles(cells: np.ndarray) -> np.ndarray:
    """Return the sums of a tile's four cells; tiles overlap by half."""
    pairs = cells[:-1] + cells[1:]
    return pairs[:, :-1] + pairs[:, 1:]


def _own_moves(tiles: _Tiles, step: _Step) -> tuple[np.ndarray, np.ndarray]:
    """Return per view the length of its best move (pixels of _WIDTH) and whether it is clear."""
    lengths, clear = [], []
    for surface in tiles.agreement.sum(axis=1):
        top, move = _peak(surface)
        lengths.append(float(np.hypot(*move)) * 2**step.halvings)
        clear.append(top > _CLEAR / 2 * float(surface.std()) > 0)
    return np.array(lengths), np.array(clear)


def _tile_errors(tiles: _Tiles, used: Sequence[int], step: _Step) -> np.ndarray:
    """Return the lengths of the moves that clear tiles still ask for (pixels of _WIDTH)."""
    errors = []
    for surface in tiles.pooled(used):
        top, move = _peak(surface)
        if top > _CLEAR / 2 * float(surface.std()) > 0 and np.abs(move).max() < step.reach:
            errors.append(float(np.hypot(*move)) * 2**step.halvings)
    return np.array(errors)


def _peak(surface: np.ndarray) -> tuple[float, np.ndarray]:
    """Return height over the median and place (x, y), relative to the centre, of the maximum."""
    fine = upsampled(surface)
    row, column = np.unravel_index(fine.argmax(), fine.shape)
    return (float(fine[row, column] - np.median(surface)),
            np.array([column, row]) / FINENESS - (surface.shape[0] - 1) / 2)


def _sized(views: Sequence[View]) -> tuple[list[View], np.ndarray]:
    """Return the views with their RGB image at about _WIDTH, and the matrix that did it."""
    height, width = views[0].luma.shape
    small = (_WIDTH, round(height * _WIDTH / width))
    x, y = small[0] / width, small[1] / height
    method = cv2.INTER_AREA if x < 1 else cv2.INTER_LINEAR
    resized = [View(view.name, view.thermal, cv2.resize(view.luma, small, interpolation=method))
               for view in views]
    return resized, np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def _halved(times: int) -> np.ndarray:
    share = 0.5**times
    return np.array([[share, 0, (share - 1) / 2], [0, share, (share - 1) / 2], [0, 0, 1]])


def _why(used: bool, clear: bool) -> str:
    if used:
        return ''
    return ('its edges agree better elsewhere than where the other views put them: taken at '
            'different times, or of something much nearer' if clear else
            'its images have no edges in common')


def _too_few_edges() -> RegistrationError:
    return RegistrationError(
        'the images share too few edges to be matched, or most views contradict one another; take '
        'views with structure that both cameras see (buildings, cars, people at several places), '
        'or calibrate with --pattern checkerboard, circles or points')
