"""A measured homography between two cameras, and the registration by it."""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration.contract import Registered
from uaafusion_ros.imaging.registration.contract import Registration
from uaafusion_ros.imaging.registration.scaling import SharedView
from uaafusion_ros.imaging.registration.warp import Warp

LARGEST_SIDE = 16384
LARGEST_MEGAPIXELS = 64

# Of the matrix between coordinates scaled to -1..1; that of any usable pair stays below 100.
_LARGEST_CONDITION = 1e4

# Share of the smaller view that must lie in the larger one.
_LEAST_OVERLAP = 0.05


@dataclass(frozen=True)
class Homography:
    """
    What `uaafusion calibrate` found out about two cameras.

    `matrix` (3x3, bottom right 1) maps thermal pixels (x, y, 1) to RGB pixels; sizes are
    (width, height) in pixels, pixel centres lie at whole numbers. `error_px` is the root mean
    square distance in RGB pixels of the `points` correspondences that the fit kept. `date` is
    YYYY-MM-DD. Raises RegistrationError unless the matrix is invertible, lays the whole thermal
    image in front of the RGB camera without mirroring it, and lets both images overlap.
    """

    matrix: np.ndarray
    thermal_size: tuple[int, int]
    rgb_size: tuple[int, int]
    error_px: float
    points: int
    date: str
    thermal_camera: str = ''
    rgb_camera: str = ''

    def __post_init__(self) -> None:
        for name, size in (('thermal', self.thermal_size), ('rgb', self.rgb_size)):
            _check_size(name, size)
        if not (math.isfinite(self.error_px) and self.error_px >= 0):
            raise RegistrationError(
                f'the reprojection error is {self.error_px}; accepted is a number of pixels '
                'from 0 on')
        matrix = np.asarray(self.matrix, np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise RegistrationError('the matrix must have 3 rows of 3 finite numbers')
        _check_matrix(matrix, self.thermal_size, self.rgb_size)
        matrix = matrix / matrix[2, 2]
        matrix.flags.writeable = False
        object.__setattr__(self, 'matrix', matrix)


def registration(homography: Homography) -> Warp:
    """Return the registration by a homography."""
    width, height = homography.rgb_size
    inverse = np.linalg.inv(homography.matrix)
    x, y = np.arange(width, dtype=np.float64)[None], np.arange(height, dtype=np.float64)[:, None]
    # Positive in front of the camera: with the bottom right of the matrix at 1, the inverse's
    # third row is the reciprocal of a depth that is positive all over the thermal image.
    depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
    depth[depth <= 0] = np.nan
    places = np.stack([
        (row[0] * x + row[1] * y + row[2]) / depth for row in inverse[:2]], axis=-1)
    # What differs from a whole pixel by less than this comes from inverting the matrix.
    nearest = np.rint(places)
    places = np.where(np.abs(places - nearest) < 1e-6, nearest, places)
    return Warp('homography', homography.thermal_size[::-1], places)


def found(homography: Homography | None) -> Registration:
    """Return the registration of mode 'auto' by what has been found so far, None for nothing."""
    if homography is None:
        return SharedView('auto')
    return _Found((homography.thermal_size[::-1], homography.rgb_size[::-1]),
                  registration(homography))


@dataclass(frozen=True)
class _Found:
    """A registration for images of its `sizes`; others are scaled, until theirs is found."""

    sizes: tuple[tuple[int, int], tuple[int, int]]
    warp: Warp
    mode: str = 'auto'

    def apply(self, thermal: np.ndarray, rgb_size: tuple[int, int]) -> Registered:
        """Return thermal in the RGB grid."""
        fits = (thermal.shape, tuple(rgb_size)) == self.sizes
        return (self.warp if fits else SharedView(self.mode)).apply(thermal, rgb_size)


def project(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (Nx2) by a 3x3 homography; those on its horizon become infinite."""
    points = np.asarray(points, np.float64)
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    with np.errstate(divide='ignore', invalid='ignore'):
        return mapped[:, :2] / mapped[:, 2:]


def corners(size: tuple[int, int]) -> np.ndarray:
    """Return the centres of the corner pixels (4x2) of an image of `size` (width, height)."""
    right, bottom = size[0] - 1, size[1] - 1
    return np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)], np.float64)


def _check_size(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if not (2 <= min(size) and max(size) <= LARGEST_SIDE
            and width * height <= LARGEST_MEGAPIXELS * 1_000_000):
        raise RegistrationError(
            f'the {name} size is {width}x{height}; accepted are sides of 2 to {LARGEST_SIDE} '
            f'pixels and at most {LARGEST_MEGAPIXELS} megapixels')


def _check_matrix(matrix: np.ndarray, thermal_size: tuple[int, int],
                  rgb_size: tuple[int, int]) -> None:
    with np.errstate(all='ignore'):
        scaled = _unit(rgb_size) @ matrix @ np.linalg.inv(_unit(thermal_size))
        scaled = scaled / np.abs(scaled).max()
    # numpy's condition number of NaN raises, so finiteness comes first.
    if not np.isfinite(scaled).all() or not np.linalg.cond(scaled) < _LARGEST_CONDITION:
        raise RegistrationError(
            'the matrix is singular (or so nearly that it cannot be inverted): it does not map '
            'one image onto another; calibrate the cameras again')
    ends = corners(thermal_size)
    depths = ends @ matrix[2, :2] + matrix[2, 2]
    if not ((depths > 0).all() if matrix[2, 2] > 0 else (depths < 0).all()):
        raise RegistrationError(
            'the matrix puts part of the thermal image behind the RGB camera; it should map '
            'thermal pixels to RGB pixels: calibrate the cameras again')
    if np.linalg.det(matrix * np.sign(matrix[2, 2])) <= 0:
        raise RegistrationError(
            'the matrix mirrors the image; flip the stream of the mirrored camera, or calibrate '
            'the cameras again')
    placed, rgb = (np.clip(places, -1e7, 1e7).astype(np.float32)
                   for places in (project(matrix, ends), corners(rgb_size)))
    shared, _ = cv2.intersectConvexConvex(placed, rgb)
    if not shared >= _LEAST_OVERLAP * min(cv2.contourArea(placed), cv2.contourArea(rgb)):
        raise RegistrationError(
            'the matrix lays the thermal image beside the RGB image, or almost; it should map '
            'thermal pixels to RGB pixels (not the reverse): calibrate the cameras again')


def _unit(size: tuple[int, int]) -> np.ndarray:
    """Return the matrix that maps pixels of an image to -1..1."""
    width, height = size
    return np.array([[2 / (width - 1), 0, -1], [0, 2 / (height - 1), -1], [0, 0, 1]])
