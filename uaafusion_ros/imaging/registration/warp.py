"""Registration by a map that says for each RGB pixel where the thermal camera sees it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration.blend import soft_edged
from uaafusion_ros.imaging.registration.contract import Registered
from uaafusion_ros.imaging.registration.contract import Roi

# Where OpenCV puts what lies outside the thermal image, far enough to mix with none of it.
_NOWHERE = -10.0


class Warp:
    """
    Registration by a map computed once.

    `places` is float HxWx2 in the RGB grid: the thermal pixel (x, y) seen at each RGB pixel, NaN
    where there is none. `thermal_size` is (height, width). Raises RegistrationError if no RGB
    pixel lies in the thermal image.
    """

    def __init__(self, mode: str, thermal_size: tuple[int, int], places: np.ndarray) -> None:
        self.mode = mode
        self._thermal_size = thermal_size
        self._rgb_size = places.shape[:2]
        # The area of a pixel reaches half a pixel from its centre.
        end = np.array(thermal_size[::-1], np.float64) - 1
        with np.errstate(invalid='ignore'):
            seen: Any = ((places >= -0.5) & (places <= end + 0.5)).all(axis=2)
        if not seen.any():
            raise RegistrationError(
                f"registration '{mode}' lays no pixel of the thermal image "
                f'({_text(thermal_size)}) on the RGB image ({_text(self._rgb_size)}); '
                'calibrate the cameras again')
        # Float maps: as quick as OpenCV's fixed-point maps or quicker, and not rounded to 1/32.
        self._map = np.where(
            seen[..., None], np.clip(places, 0, end), _NOWHERE).astype(np.float32)
        self._valid, self._overlap = None, None
        if not seen.all():
            self._valid = soft_edged(seen)
            self._valid.flags.writeable = False
            self._overlap = Roi(*cv2.boundingRect(seen.astype(np.uint8)))

    def apply(self, thermal: np.ndarray, rgb_size: tuple[int, int]) -> Registered:
        """Return thermal in the RGB grid, interpolated linearly; 0 where there is nothing."""
        if thermal.shape != self._thermal_size or tuple(rgb_size) != self._rgb_size:
            raise RegistrationError(
                f'thermal is {_text(thermal.shape)}, rgb {_text(rgb_size)}; registration '
                f"'{self.mode}' was made for thermal {_text(self._thermal_size)} and rgb "
                f'{_text(self._rgb_size)}: set the cameras to these sizes or calibrate them again')
        image = cv2.remap(thermal, self._map, None, cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return Registered(image, self._overlap, self._valid)


def _text(size: tuple[int, int]) -> str:
    return f'{size[1]}x{size[0]}'
