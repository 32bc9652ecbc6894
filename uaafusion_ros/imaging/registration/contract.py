"""What every way of registering two cameras takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Roi:
    """A rectangle of whole pixels, laid out as sensor_msgs/RegionOfInterest."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Registered:
    """
    A thermal image in the RGB camera's pixel grid.

    `image` is HxW of the RGB image's size and the thermal image's dtype, 0 where the thermal
    camera sees nothing.
    `valid` is uint8 HxW: 0 where it sees nothing, 255 where it counts in full, and a ramp of
    `EDGE_PIXELS` between them inside its view (so `valid > 0` is its whole view); None where it
    sees everything. `overlap` is the bounding box of `valid > 0`, None where `valid` is.
    `valid` is shared by all results of one registration and read-only.
    """

    image: np.ndarray
    overlap: Roi | None = None
    valid: np.ndarray | None = None


class Registration(Protocol):
    """Lays thermal images over RGB images; immutable, may be shared between threads."""

    @property
    def mode(self) -> str:
        """A value of registration.mode."""
        ...

    def apply(self, thermal: np.ndarray, rgb_size: tuple[int, int]) -> Registered:
        """
        Return thermal (HxW, uint8 or float32) in the pixel grid of an RGB image.

        `rgb_size` is (height, width). Raises RegistrationError naming both sizes if they are not
        those that can be registered.
        """
        ...
