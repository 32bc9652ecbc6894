"""From parameters and calibrations to a registration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.imaging.registration import Registered
from uaafusion_ros.imaging.registration import Registration
from uaafusion_ros.imaging.registration.homography import found
from uaafusion_ros.nodes import static_transforms
from uaafusion_ros.settings import RegistrationSettings


@dataclass(frozen=True)
class Missing:
    """A registration that cannot be yet; each pair is refused with the `reason`."""

    mode: str
    reason: str

    def apply(self, thermal: np.ndarray, rgb_size: tuple[int, int]) -> Registered:
        """Raise RegistrationError."""
        raise RegistrationError(self.reason)


def uses_transforms(settings: RegistrationSettings) -> bool:
    """Return whether /tf_static is to tell where the cameras stand."""
    return settings.mode == 'plane' and bool(settings.rgb_frame or settings.thermal_frame)


def make_registration(
    settings: RegistrationSettings, infos: Mapping[str, CameraInfo],
    transforms: Mapping[str, Any]
) -> Registration:
    """
    Return what registration.mode asks for.

    Raises RegistrationError for a file that cannot be used. That of a plane needs the calibration
    of both cameras (`infos`, by camera) and, where frames are named, `transforms` by child frame:
    while they are missing or do not fit, a `Missing` is returned, because they come and change
    while the node runs. Raises DependencyError where frames are named and tf2_msgs is missing.
    """
    if settings.mode == 'auto':
        return found(None)  # AutoRegistration reads the file, and knows better soon
    if uses_transforms(settings):
        static_transforms.message_type()
    try:
        return load(settings, infos, transforms)
    except RegistrationError as error:
        if settings.mode != 'plane':
            raise
        return Missing(settings.mode, str(error))
