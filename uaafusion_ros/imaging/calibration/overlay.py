"""A picture that shows at a glance whether a registration is right."""

from __future__ import annotations

import cv2
import numpy as np

from uaafusion_ros.imaging.registration.contract import Registration

_SQUARES = 8


def overlay(registration: Registration, thermal: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """
    Return uint8 Hx2WxBGR: a checkerboard of both images, and their edges over one another.

    On the left, lines run on from square to square if the registration is right. On the right
    thermal edges are red, RGB edges cyan, and where they meet white. Outside the thermal view
    the RGB image is dimmed.
    """
    registered = registration.apply(thermal, luma.shape)
    seen = np.ones(luma.shape, bool) if registered.valid is None else registered.valid > 0
    height, width = luma.shape
    side = max(width // _SQUARES, 1)
    dark = (np.arange(height)[:, None] // side + np.arange(width) // side) % 2 > 0
    board = np.where(dark & seen, _stretched(registered.image, seen), _stretched(luma, None))
    board[~seen] //= 2
    warm = _edges(registered.image)
    warm[cv2.erode(seen.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1) == 0] = 0
    cool = _edges(luma)
    cool[~seen] //= 2
    return np.hstack([cv2.cvtColor(board, cv2.COLOR_GRAY2BGR), cv2.merge((cool, cool, warm))])


def _stretched(image: np.ndarray, seen: np.ndarray | None) -> np.ndarray:
    low, high = np.percentile(image if seen is None else image[seen], (1, 99))
    return cv2.convertScaleAbs(np.clip(image, low, high) - low, alpha=255 / max(high - low, 1))


def _edges(image: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0)
    strength = cv2.magnitude(*(cv2.Sobel(smooth, cv2.CV_32F, *order)
                               for order in ((1, 0), (0, 1))))
    strength /= strength + cv2.blur(strength, (31, 31)) + 4
    return cv2.convertScaleAbs(strength, alpha=340)
