"""The pinhole and fisheye cameras of sensor_msgs/CameraInfo: pixels to rays and back."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError

# Distortion model of CameraInfo: the numbers of coefficients it may have.
MODELS = {'plumb_bob': (4, 5), 'rational_polynomial': (8,), 'equidistant': (4,)}

_STEPS = 20
_CONVERGED_PX = 0.05


@dataclass(frozen=True)
class Camera:
    """
    The calibration of one camera, as REP 104 and sensor_msgs/CameraInfo define it.

    `size` is (width, height); `k` (3x3), `r` (3x3) and `p` (3x4) are float64, `d` the
    coefficients of `model`. `rectified` says that the images were rectified (image_rect): then
    `p` and `r` describe them instead of `k` and `d`. Raises RegistrationError for an
    uncalibrated camera, an unknown model or numbers that describe no camera.
    """

    size: tuple[int, int]
    k: np.ndarray
    d: tuple[float, ...]
    r: np.ndarray
    p: np.ndarray
    model: str
    rectified: bool = False

    def __post_init__(self) -> None:
        for name, shape in (('k', (3, 3)), ('r', (3, 3)), ('p', (3, 4))):
            matrix = np.asarray(getattr(self, name), np.float64)
            if matrix.size != shape[0] * shape[1] or not np.isfinite(matrix).all():
                raise RegistrationError(
                    f'{name.upper()} of the camera calibration must hold '
                    f'{shape[0] * shape[1]} finite numbers')
            object.__setattr__(self, name, matrix.reshape(shape))
        object.__setattr__(self, 'd', tuple(float(number) for number in self.d))
        if min(self.size) < 2:
            raise RegistrationError(f'the camera calibration is for {self.size[0]}x{self.size[1]}'
                                    ' pixels; calibrate the camera')
        # A row of zeros is how REP 104 marks an uncalibrated camera.
        used = self.p if self.rectified else self.k
        if used[0, 0] <= 0 or used[1, 1] <= 0 or used[2, 2] != 1:
            raise RegistrationError(
                f'the camera is not calibrated ({"P" if self.rectified else "K"} has no focal '
                'length); calibrate it or use another registration.mode')
        if self.rectified:
            if not np.allclose(self.r @ self.r.T, np.eye(3), atol=1e-3):
                raise RegistrationError('R of the camera calibration is no rotation')
        elif self._distorted():
            counts = MODELS.get(self.model)
            if counts is None or len(self.d) not in counts:
                raise RegistrationError(
                    f'distortion model {self.model!r} with {len(self.d)} coefficients is not '
                    'known; accepted are plumb_bob with 5, rational_polynomial with 8 and '
                    'equidistant with 4, or rectified images')
            if not all(math.isfinite(number) for number in self.d):
                raise RegistrationError('D of the camera calibration must be finite')

    @classmethod
    def from_info(cls, info: Any, rectified: bool = False) -> Camera:
        """
        Return the camera that a sensor_msgs/CameraInfo message describes.

        Raises RegistrationError also for a region of interest or binning, which would need the
        images of another size than those of the calibration.
        """
        roi = info.roi
        if info.binning_x > 1 or info.binning_y > 1 or (
                roi.width and (roi.width, roi.height) != (info.width, info.height)):
            raise RegistrationError(
                'the camera calibration has a region of interest or binning; publish full '
                "images, or calibrate with `uaafusion calibrate` for registration 'homography'")
        return cls((info.width, info.height), np.array(info.k), tuple(info.d), np.array(info.r),
                   np.array(info.p), info.distortion_model, rectified)

    def rays(self) -> np.ndarray:
        """
        Return what every pixel looks at: float64 (height, width, 2), points x, y at depth 1.

        In the camera's optical frame (REP 103: x right, y down, z forward); NaN where the
        distortion model has no answer.
        """
        width, height = self.size
        pixels = np.stack(np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height)), -1)
        k, distorted = self._linear()
        rays = (pixels - k[:2, 2]) / (k[0, 0], k[1, 1])
        rays[..., 0] -= k[0, 1] / k[0, 0] * rays[..., 1]
        if distorted:
            rays = self._undistorted(pixels.reshape(-1, 2), rays.reshape(-1, 2))
            return rays.reshape(height, width, 2)
        if self.rectified:
            directions = np.dstack([rays, np.ones((height, width))]) @ self.r
            directions[directions[..., 2] <= 0] = np.nan
            rays = directions[..., :2] / directions[..., 2:]
        return rays

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """
        Return where points (Nx3, optical frame) are seen: Nx2, NaN where they are not.

        Not seen is what lies behind the camera or beyond the angle up to which its distortion
        model ascends; models fold back there and would show the outside inside the image.
        """
        if self.rectified:
            points = points @ self.r.T
        with np.errstate(divide='ignore', invalid='ignore'):
            flat = points[:, :2] / points[:, 2:]
            flat[~(points[:, 2] > 0)] = np.nan
        return self._projected(flat)

    def _linear(self) -> tuple[np.ndarray, bool]:
        if self.rectified:
            return self.p[:, :3], False
        return self.k, self._distorted()

    def _distorted(self) -> bool:
        # A fisheye lens with zero coefficients is still none that keeps lines straight.
        return self.model == 'equidistant' or any(self.d)

    def _projected(self, flat: np.ndarray) -> np.ndarray:
        k, distorted = self._linear()
        if not distorted:
            return flat @ k[:2, :2].T + k[:2, 2]
        seen = np.hypot(*flat.T) < self._largest_radius()
        places = np.full(flat.shape, np.nan)
        if seen.any():
            points = np.column_stack([flat[seen], np.ones(seen.sum())])[:, None]
            still = np.zeros(3)
            coefficients = np.array(self.d)
            if self.model == 'equidistant':
                projected, _ = cv2.fisheye.projectPoints(points, still, still, k, coefficients)
            else:
                projected, _ = cv2.projectPoints(points, still, still, k, coefficients)
            places[seen] = projected.reshape(-1, 2)
        return places

    def _undistorted(self, pixels: np.ndarray, guess: np.ndarray) -> np.ndarray:
        """Invert the projection step by step; OpenCV's own inverse stops early and unnoticed."""
        focal = np.array([self.k[0, 0], self.k[1, 1]])
        limit = self._largest_radius()
        radius = np.hypot(*guess.T)[:, None]
        if self.model == 'equidistant':
            angle = np.minimum(radius, 1.5)
            guess = guess * np.where(radius > 0, np.tan(angle) / np.maximum(radius, 1e-12), 1)
        todo = np.arange(len(guess))
        for _ in range(_STEPS):
            radius = np.hypot(*guess[todo].T)[:, None]
            inside = 0.999 * limit / np.maximum(radius, 1e-12)
            tried = np.where(radius < limit, guess[todo], guess[todo] * inside)
            miss = pixels[todo] - self._projected(tried)
            stretch = 1 + radius**2 if self.model == 'equidistant' else 1
            guess[todo] = tried + miss / focal * stretch
            todo = todo[~(np.abs(miss).max(axis=1) < 1e-3)]
            if not todo.size:
                break
        if todo.size:
            miss = np.abs(pixels[todo] - self._projected(guess[todo])).max(axis=1)
            guess[todo[~(miss < _CONVERGED_PX)]] = np.nan
        return guess

    def _largest_radius(self) -> float:
        """Return the radius at depth 1 up to which distorted radii ascend."""
        if self.model == 'equidistant':
            radius = np.tan(np.linspace(0, math.radians(89), 4000))
            angle = np.arctan(radius)
            series = sum(k * angle**(2 * n + 3) for n, k in enumerate(self.d))
            distorted = angle + series
        else:
            radius = np.linspace(0, 20, 20001)
            k1, k2, _, _, k3, k4, k5, k6 = (*self.d, *(0.0,) * (8 - len(self.d)))
            square = radius**2
            with np.errstate(divide='ignore', invalid='ignore'):
                distorted = radius * (1 + square * (k1 + square * (k2 + square * k3))) / (
                    1 + square * (k4 + square * (k5 + square * k6)))
        falls = np.flatnonzero(~(np.diff(distorted) > 0))
        return float(radius[falls[0]] if falls.size else radius[-1])
