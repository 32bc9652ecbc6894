"""Class colours laid over an image."""

from __future__ import annotations

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError

_UNKNOWN = (255, 0, 255)


def palette_lut(palette: np.ndarray) -> np.ndarray:
    """
    Extend a palette (uint8 Nx3 RGB, N <= 256, row = class id) to all 256 ids, 256x3.

    An id without a colour becomes magenta, so that a palette of another model is seen.
    """
    lut = np.empty((256, 3), np.uint8)
    lut[:] = _UNKNOWN
    lut[:len(palette)] = palette
    return lut


def overlay(fused_rgb: np.ndarray, mask: np.ndarray, palette: np.ndarray,
            alpha: float = 0.5) -> np.ndarray:
    """
    Blend each pixel with the colour of its class: (1 - alpha) * fused + alpha * colour, rounded.

    `fused_rgb` is uint8 HxWx3, `mask` uint8 HxW of class ids, `palette` uint8 Nx3 RGB, `alpha`
    0 (image alone) to 1 (colour alone). Pixels of class 0, the background, are left untouched.
    Returns a new uint8 HxWx3. Raises RegistrationError where image and mask differ in size.
    """
    if fused_rgb.shape != (*mask.shape, 3):
        raise RegistrationError(
            f'a mask of {mask.shape} cannot be laid over an image of {fused_rgb.shape}; '
            'both must have the same height and width, and the image three channels')
    colours = cv2.LUT(cv2.merge((mask, mask, mask)), palette_lut(palette)[np.newaxis])
    blended = cv2.addWeighted(fused_rgb, 1.0 - alpha, colours, alpha, 0.0)
    return cv2.copyTo(blended, mask, fused_rgb.copy())
