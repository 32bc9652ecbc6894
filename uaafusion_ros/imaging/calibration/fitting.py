"""From points seen by both cameras to a homography."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.calibration.contract import Fit
from uaafusion_ros.imaging.calibration.contract import Matches
from uaafusion_ros.imaging.calibration.contract import ViewReport
from uaafusion_ros.imaging.registration.homography import project

FEWEST_POINTS = 4

# Points farther than this from the fit are outliers; in RGB pixels.
_OUTLIER_PX = 3.0

# A view is left out if its error is this many times that of the median view, and visible.
_WORSE = 3.0
_VISIBLE_PX = 2.0


def fit(views: Sequence[Matches]) -> Fit:
    """
    Fit one homography to the points of all views.

    RANSAC, refined on its inliers by Levenberg-Marquardt (`cv2.findHomography`). While a view
    stands out by its error, the worst one is left out and the rest fitted again. Raises
    RegistrationError for too few points or points on one line.
    """
    used = list(views)
    while True:
        matrix, kept = _ransac(used)
        errors = {view.name: _error(matrix, view) for view in used}
        worst: Any = max(used, key=lambda view: errors[view.name], default=None)
        limit = max(_VISIBLE_PX, _WORSE * float(np.median(list(errors.values()))))
        if len(used) < 2 or errors[worst.name] <= limit:
            break
        used.remove(worst)
    thermal, rgb = _joined(used)
    distances = _distances(matrix, thermal, rgb)[kept]
    names = {view.name for view in used}
    reports = tuple(
        ViewReport(view.name, _error(matrix, view), len(view.rgb), '' if view.name in names else
                   f'its points are off by more than {limit:.1f} px: another distance, a moved '
                   'board or a wrong pair')
        for view in views)
    return Fit(matrix, float(np.sqrt(np.mean(distances**2))), int(kept.sum()), reports)


def _ransac(views: Sequence[Matches]) -> tuple[np.ndarray, np.ndarray]:
    thermal, rgb = _joined(views)
    if len(rgb) < FEWEST_POINTS:
        raise RegistrationError(
            f'{len(rgb)} points were found in both images; at least {FEWEST_POINTS} are needed, '
            'better 40 that are spread over the images')
    matrix, kept = cv2.findHomography(
        thermal, rgb, cv2.RANSAC, _OUTLIER_PX, maxIters=5000, confidence=0.999)
    if matrix is None or not np.isfinite(matrix).all() or kept.sum() < FEWEST_POINTS:
        raise RegistrationError(
            f'no homography fits the {len(rgb)} points: they lie on one line, or most of them '
            'are wrong; spread them over the images')
    return matrix, kept.ravel() > 0


def _joined(views: Sequence[Matches]) -> tuple[np.ndarray, np.ndarray]:
    empty = np.empty((0, 2))
    return (np.concatenate([empty, *(view.thermal for view in views)]),
            np.concatenate([empty, *(view.rgb for view in views)]))


def _distances(matrix: np.ndarray, thermal: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    return np.hypot(*(project(matrix, thermal) - rgb).T)


def _error(matrix: np.ndarray, view: Matches) -> float:
    # The median: a single wrong point makes no bad view.
    return float(np.median(_distances(matrix, view.thermal, view.rgb)))
