"""
Calibration without a board: the homography under which the edges of many views agree best.

No feature descriptor matches between thermal and RGB images; where edges run is what they share.
From a first guess on, the images are cut into tiles, the agreement of each tile is measured for
all moves of a few pixels and summed over views (one homography holds for all of them), and the
homography is sought whose moves of the tiles collect most agreement. Tiles without edges are
flat and have no say, so that nothing has to be decided tile by tile.
"""

from __future__ import annotations

from collections.abc import Generator
from collections.abc import Sequence

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.calibration.climb import climb
from uaafusion_ros.imaging.calibration.climb import PUSHED
from uaafusion_ros.imaging.calibration.coarse import search
from uaafusion_ros.imaging.calibration.coarse import warp
from uaafusion_ros.imaging.calibration.contract import finish
from uaafusion_ros.imaging.calibration.contract import Fit
from uaafusion_ros.imaging.calibration.contract import HeldOut
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.calibration.contract import ViewReport
from uaafusion_ros.imaging.calibration.tiles import halved
from uaafusion_ros.imaging.calibration.tiles import measure
from uaafusion_ros.imaging.calibration.tiles import Step
from uaafusion_ros.imaging.calibration.tiles import Tiles
from uaafusion_ros.imaging.registration.edges import directions
from uaafusion_ros.imaging.registration.homography import corners
from uaafusion_ros.imaging.registration.homography import project

# Images are brought to about this width, which is where the steps below are right.
_WIDTH = 640

_FEWEST_CLEAR_TILES = 24

# Of the clear tiles, so many must ask for less than this move; a third may after a fit to chance.
_AGREEING_SHARE = 0.35
_AGREEING_PX = 2.0

# A view whose own best move is longer than this (at _WIDTH) contradicts the others.
_FARTHEST_VIEW = 7.0

_ROUGH = (Step(2, 20, 5, 2), Step(1, 32, 6, 2))
_FINE = Step(1, 24, 5, 3)
SURFACE_PITCH = 2**_ROUGH[0].halvings


def match(views: Sequence[View]) -> Fit:
    """
    Return the homography of all views; a view whose edges contradict the others is left out.

    All views must have the same sizes, and half of them must agree. The error is the distance
    between each tile's own best move and that of the homography, over the tiles that have a clear
    one; a view's error is the length of its own best move. Raises RegistrationError if the images
    share too few edges.
    """
    return finish(match_steps(views))


def match_steps(views: Sequence[View], start: np.ndarray | None = None,
                least_agreeing: float = 0.5) -> Generator[None, None, Fit]:
    """
    Do what `match` does step by step, from `start` (3x3) where that is nearly right.

    `least_agreeing` is the share of the views that must agree.
    """
    sizes = {(view.thermal.shape, view.luma.shape) for view in views}
    if len(sizes) != 1:
        raise RegistrationError(
            f'the views have {len(sizes)} different sizes; calibrate with images of one size'
            if views else 'there is no view to calibrate with')
    full = views[0].luma.shape[::-1]
    views, shrink = _sized(views)
    matrix = (yield from search(views)) if start is None else shrink @ start
    used = list(range(len(views)))
    for step in _ROUGH:
        matrix, tiles = yield from _refined(views, used, matrix, step)
    moves, clear = tiles.moves_of_views()
    lengths = np.hypot(*moves.T)
    used = [i for i in used if clear[i] and lengths[i] <= _FARTHEST_VIEW]
    if len(used) < least_agreeing * len(views):
        raise _too_few_edges()
    matrix, tiles = yield from _refined(views, used, matrix, _FINE)
    moves, agreeing = tiles.moves_of_tiles(used)
    errors = np.hypot(*moves[agreeing].T)
    if len(errors) < _FEWEST_CLEAR_TILES or np.mean(errors < _AGREEING_PX) < _AGREEING_SHARE:
        raise _too_few_edges()
    pitch = full[0] / views[0].luma.shape[1]
    fine = np.hypot(*tiles.moves_of_views()[0].T)
    reports = tuple(
        ViewReport(view.name, float(pitch * (fine[i] if i in used else lengths[i])),
                   len(tiles.centres), _why(i in used, clear[i]))
        for i, view in enumerate(views))
    matrix = np.linalg.inv(shrink) @ matrix
    return Fit(matrix / matrix[2, 2], float(pitch * np.sqrt(np.mean(errors**2))), len(errors),
               reports)


def refine_steps(views: Sequence[View],
                 start: np.ndarray) -> Generator[None, None, np.ndarray]:
    """Return the homography of few views of cameras pushed by up to 20 pixels (of 640)."""
    views, shrink = _sized(views)
    matrix = shrink @ start
    for step in (_ROUGH[0], _FINE):
        matrix, _ = yield from _refined(views, range(len(views)), matrix, step, PUSHED)
    matrix = np.linalg.inv(shrink) @ matrix
    return matrix / matrix[2, 2]


def surface_of(view: View, matrix: np.ndarray) -> np.ndarray:
    """
    Return how well the edges of a view agree for moves around a homography, in some milliseconds.

    A row per y and a column per x, SURFACE_PITCH pixels of an image 640 wide apart, no move in
    the middle; in standard deviations over the median of the moves.
    """
    views, shrink = _sized([view])
    step = _ROUGH[0]
    return finish(measure(views, halved(step.halvings) @ shrink @ matrix, step)).surfaces()[0]


def correlation(view: View, matrix: np.ndarray) -> float:
    """Return how well the edges of a view agree under a homography: 1 for equal images."""
    (view,), shrink = _sized([view])
    luma = cv2.resize(view.luma, (view.luma.shape[1] // 2, view.luma.shape[0] // 2),
                      interpolation=cv2.INTER_AREA)
    image, inside = warp(view.thermal, halved(1) @ shrink @ matrix, luma.shape[::-1])
    moving, fixed = directions(image, inside), directions(luma, inside)
    energy = float(np.vdot(moving, moving)) * float(np.vdot(fixed, fixed))
    return float(np.vdot(moving, fixed)) / max(energy, 1e-9)**0.5


def check_steps(views: Sequence[View], matrix: np.ndarray) -> Generator[None, None, HeldOut]:
    """Judge a homography by views that it was not fitted to."""
    thermal_size, full = (image.shape[::-1] for image in (views[0].thermal, views[0].luma))
    views, shrink = _sized(views)
    start = shrink @ matrix
    again, _ = yield from _refined(views, range(len(views)), start, _FINE)
    tiles = yield from measure(views, halved(_FINE.halvings) @ start, _FINE)
    places = _shared_places(matrix, thermal_size, full)
    again = np.linalg.inv(shrink) @ again
    moves = project(again, places) - project(matrix, places)
    return HeldOut(again, float(np.hypot(*moves.T).max(initial=0)) if len(places) else np.inf,
                   tiles.surfaces()[:, _FINE.reach, _FINE.reach])


def _shared_places(matrix: np.ndarray, thermal_size: tuple[int, int],
                  rgb_size: tuple[int, int]) -> np.ndarray:
    """Return thermal pixels (Nx2) on a grid of 17x17 that lie in the RGB image."""
    right, bottom = (np.linspace(0, side - 1, 17) for side in thermal_size)
    places = np.stack(np.meshgrid(right, bottom), axis=-1).reshape(-1, 2)
    seen = project(matrix, places)
    return places[((seen >= 0) & (seen <= np.array(rgb_size) - 1)).all(axis=1)]


def _refined(views: Sequence[View], used: Sequence[int], matrix: np.ndarray,
             step: Step, modes: Sequence[int] = range(8)
             ) -> Generator[None, None, tuple[np.ndarray, Tiles]]:
    """Return the matrix after a step, and the tiles as its last repeat found them."""
    level = halved(step.halvings)
    back = np.linalg.inv(level)
    for _ in range(step.repeats):
        tiles = yield from measure(views, level @ matrix, step)
        size = tuple(max(side >> step.halvings, 2) for side in views[0].luma.shape[::-1])
        change = climb(tiles.centres, tiles.pooled(used), size, modes)
        matrix = back @ change @ level @ matrix
        ends = corners(size)
        if np.abs(project(change, ends) - ends).max() < 0.1:
            break
    return matrix, tiles


def _sized(views: Sequence[View]) -> tuple[list[View], np.ndarray]:
    """Return the views with their RGB image at about _WIDTH, and the matrix that did it."""
    height, width = views[0].luma.shape
    small = (_WIDTH, round(height * _WIDTH / width))
    x, y = small[0] / width, small[1] / height
    method = cv2.INTER_AREA if x < 1 else cv2.INTER_LINEAR
    resized = [View(view.name, view.thermal, cv2.resize(view.luma, small, interpolation=method))
               for view in views]
    return resized, np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


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
