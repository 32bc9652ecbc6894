"""Checkerboards and circle grids that both cameras see."""

from __future__ import annotations

import cv2
import numpy as np

from uaafusion_ros.imaging.calibration.contract import Matches
from uaafusion_ros.imaging.calibration.contract import View

PATTERNS = ('checkerboard', 'circles')


def match(view: View, pattern: str, shape: tuple[int, int]) -> Matches | None:
    """
    Return the points of a board in both images of a view, None if one does not show all of it.

    `shape` is (columns, rows) of inner corners or circles. Between the cameras the board may
    look upside down by no more than 90 degrees: which end of it is which is not written on it.
    """
    thermal, rgb = (find(image, pattern, shape) for image in (view.thermal, view.luma))
    if thermal is None or rgb is None:
        return None
    return Matches(view.name, _ordered_like(rgb, thermal).reshape(-1, 2), rgb.reshape(-1, 2))


def find(image: np.ndarray, pattern: str, shape: tuple[int, int]) -> np.ndarray | None:
    """
    Return a board's points, float64 (rows, columns, 2), None if not all of them are seen.

    Bright and dark may be exchanged, as they are where a warm board is printed with ink.
    """
    columns, rows = shape
    for polarity in (image, cv2.bitwise_not(image)):
        if pattern == 'checkerboard':
            found, points = cv2.findChessboardCornersSB(
                polarity, shape, None, cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY)
        else:
            found, points = cv2.findCirclesGrid(polarity, shape, None,
                                                cv2.CALIB_CB_SYMMETRIC_GRID)
        if found:
            return points.reshape(rows, columns, 2).astype(np.float64)
    return None


def _ordered_like(model: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return `points` turned by the half (or quarter, if square) turn that resembles `model`."""
    quarters = range(4) if points.shape[0] == points.shape[1] else (0, 2)
    return max((np.rot90(points, quarter) for quarter in quarters),
               key=lambda turned: float(np.sum(_axes(turned) * _axes(model))))


def _axes(points: np.ndarray) -> np.ndarray:
    """Return the mean directions along rows and down columns, each of length 1."""
    along = (points[:, -1] - points[:, 0]).mean(axis=0)
    down = (points[-1] - points[0]).mean(axis=0)
    return np.stack([axis / np.linalg.norm(axis) for axis in (along, down)])
