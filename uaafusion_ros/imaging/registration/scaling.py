"""Registration of cameras that share a view: equal sizes, or scaling."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration.contract import Registered

# Cameras whose images differ more than this in aspect ratio cannot share a field of view.
ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class SharedView:
    """
    Registration of two cameras that see the same.

    Mode 'none' wants equal sizes; 'resize' scales, which is right for cameras that share an
    optical axis and a field of view. 'auto' scales whatever comes, until better is known.
    """

    mode: str

    def apply(self, thermal: np.ndarray, rgb_size: tuple[int, int]) -> Registered:
        """Return thermal at `rgb_size`; equal sizes pass as the very same array."""
        return Registered(register(thermal, rgb_size, self.mode))


def register(thermal: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
    """
    Return thermal (HxW, uint8 or float32) at `size` (height, width); `mode` as in SharedView.

    Raises RegistrationError naming both sizes.
    """
    if thermal.shape == size:
        return thermal
    height, width = thermal.shape
    sizes = f'thermal is {width}x{height}, rgb {size[1]}x{size[0]}'
    if mode == 'none':
        raise RegistrationError(f"{sizes}; registration 'none' needs equal sizes: register the "
                                "images before, or use 'resize' where both share a field of view")
    if mode == 'resize' and abs((width / height) / (size[1] / size[0]) - 1) > ASPECT_TOLERANCE:
        raise RegistrationError(f'{sizes}; their aspect ratios differ, so scaling cannot lay one '
                                'over the other: calibrate them (`uaafusion calibrate`), or crop '
                                'one of the streams')
    method = cv2.INTER_AREA if height > size[0] else cv2.INTER_LINEAR
    return cv2.resize(thermal, (size[1], size[0]), interpolation=method)
