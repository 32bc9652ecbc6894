"""Registration of two calibrated cameras for what lies at one distance."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration.camera import Camera
from uaafusion_ros.imaging.registration.warp import Warp


@dataclass(frozen=True)
class Extrinsics:
    """
    Where the thermal camera is: the transform thermal -> RGB between optical frames.

    A point p in the thermal camera's optical frame lies at `rotation` p + `translation` in that
    of the RGB camera, as tf2's lookup_transform(rgb_frame, thermal_frame) answers. `translation`
    is x, y, z in metres, `rotation` the unit quaternion x, y, z, w. Raises RegistrationError.
    """

    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if len(self.translation) != 3 or not all(map(math.isfinite, self.translation)):
            raise RegistrationError(
                f'the translation is {self.translation}; accepted are 3 finite numbers in metres')
        length = math.sqrt(sum(number**2 for number in self.rotation))
        if len(self.rotation) != 4 or not abs(length - 1) < 1e-2:
            raise RegistrationError(
                f'the rotation is {self.rotation}; accepted is a unit quaternion (x, y, z, w)')

    def rotation_matrix(self) -> np.ndarray:
        """Return the rotation as a matrix (3x3)."""
        x, y, z, w = np.array(self.rotation) / np.linalg.norm(self.rotation)
        return np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]])


@dataclass(frozen=True)
class PlaneSetup:
    """
    Two calibrated cameras, and the distance in metres at which they are to agree.

    What is nearer or farther is displaced by about focal length (pixels) x distance between the
    cameras x |1/its distance - 1/distance_m|. Raises RegistrationError.
    """

    thermal: Camera
    rgb: Camera
    extrinsics: Extrinsics
    distance_m: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.distance_m) and self.distance_m > 0):
            raise RegistrationError(
                f'the distance is {self.distance_m}; accepted is a number of metres above 0')


def registration(setup: PlaneSetup) -> Warp:
    """
    Return the registration for a plane across the RGB camera's optical axis.

    Each RGB pixel is followed along its ray to the plane and from there into the thermal image,
    with the distortion of both lenses; without distortion that is the homography which the plane
    induces (R. Hartley, A. Zisserman, "Multiple View Geometry", 2nd ed., eq. 13.2). Raises
    RegistrationError if the thermal camera does not see that part of the plane.
    """
    width, height = setup.rgb.size
    rays = setup.rgb.rays().reshape(-1, 2)
    points = np.column_stack([rays, np.ones(len(rays))]) * setup.distance_m
    # R^T (p - t), of row vectors.
    seen = (points - setup.extrinsics.translation) @ setup.extrinsics.rotation_matrix()
    places = setup.thermal.pixels(seen).reshape(height, width, 2)
    return Warp('plane', setup.thermal.size[::-1], places)
