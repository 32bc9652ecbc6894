"""Laying the thermal image over the RGB image."""

from __future__ import annotations

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError

MODES = ('resize', 'none')

# Cameras whose images differ more than this in aspect ratio cannot share a field of view.
ASPECT_TOLERANCE = 0.02


def register(thermal: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
    """
    Return thermal (HxW uint8) in the pixel grid of an RGB image of `size` (height, width).

    'none' wants equal sizes; 'resize' scales, which is right for cameras that share an optical
    axis and a field of view. Raises RegistrationError naming both sizes.
    """
    if thermal.shape == size:
        return thermal
    height, width = thermal.shape
    sizes = f'thermal is {width}x{height}, rgb {size[1]}x{size[0]}'
    if mode == 'none':
        raise RegistrationError(f"{sizes}; registration 'none' needs equal sizes: register the "
                                "images before, or use 'resize' where both share a field of view")
    if abs((width / height) / (size[1] / size[0]) - 1) > ASPECT_TOLERANCE:
        raise RegistrationError(f'{sizes}; their aspect ratios differ, so scaling cannot lay one '
                                'over the other: crop or rectify one of the streams')
    method = cv2.INTER_AREA if height > size[0] else cv2.INTER_LINEAR
    return cv2.resize(thermal, (size[1], size[0]), interpolation=method)
