"""From parameters and calibrations to a registration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import Camera
from uaafusion_ros.imaging.registration import Extrinsics
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.imaging.registration import PlaneSetup
from uaafusion_ros.imaging.registration import Registered
from uaafusion_ros.imaging.registration import Registration


@dataclass(frozen=True)
class Missing:
    """A registration that cannot be yet; each pair is refused with the `reason`."""

    mode: str
    reason: str

    def apply(self, thermal: np.ndarray, rgb_size: tuple[int, int]) -> Registered:
        """Raise RegistrationError."""
        raise RegistrationError(self.reason)


def make_registration(
    values: Mapping[str, Any], infos: Mapping[str, CameraInfo]
) -> Registration:
    """
    Return what registration.mode asks for.

    Raises RegistrationError for a file that cannot be used. That of a plane needs the calibration
    of both cameras (`infos`, by camera): while they are missing or do not fit, a `Missing` is
    returned, because they come and change while the node runs.
    """
    mode, file = values['registration.mode'], values['registration.file']
    if mode != 'plane':
        return load(mode, file=Path(file) if file else None)
    waiting = [camera for camera in ('thermal', 'rgb') if camera not in infos]
    if waiting:
        return Missing(mode, f"registration 'plane' waits for the calibration of "
                             f'{" and ".join(waiting)}: publish or remap camera_info')
    try:
        thermal, rgb = (Camera.from_info(infos[camera], values['registration.rectified'])
                        for camera in ('thermal', 'rgb'))
        return load(mode, setup=PlaneSetup(
            thermal, rgb,
            Extrinsics(values['registration.translation_m'], values['registration.rotation']),
            values['registration.plane_distance_m']))
    except RegistrationError as error:
        return Missing(mode, f"registration 'plane': {error}")
