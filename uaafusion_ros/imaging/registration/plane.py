"""Registration of two calibrated cameras for what lies at one distance."""

from __future__ import annotations

import numpy as np

from uaafusion_ros.imaging.registration.camera import Camera
from uaafusion_ros.imaging.registration.extrinsics import rotation_matrix
from uaafusion_ros.imaging.registration.warp import Warp
from uaafusion_ros.settings import RegistrationSettings


def registration(settings: RegistrationSettings, thermal: Camera, rgb: Camera) -> Warp:
    """
    Return the registration for a plane across the RGB camera's optical axis.

    A point p in the thermal camera's optical frame lies at `rotation` p + `translation_m` in that
    of the RGB camera, as tf2's lookup_transform(rgb_frame, thermal_frame) answers. Each RGB pixel
    is followed along its ray to the plane at `plane_distance_m` and from there into the thermal
    image, with the distortion of both lenses; without distortion that is the homography which the
    plane induces (R. Hartley, A. Zisserman, "Multiple View Geometry", 2nd ed., eq. 13.2). What is
    nearer or farther is displaced by about focal length (pixels) x distance between the cameras x
    |1/its distance - 1/plane_distance_m|. Raises RegistrationError if the thermal camera does not
    see that part of the plane.
    """
    width, height = rgb.size
    rays = rgb.rays().reshape(-1, 2)
    points = np.column_stack([rays, np.ones(len(rays))]) * settings.plane_distance_m
    # R^T (p - t), of row vectors.
    seen = (points - settings.translation_m) @ rotation_matrix(settings.rotation)
    places = thermal.pixels(seen).reshape(height, width, 2)
    return Warp('plane', thermal.size[::-1], places)
