"""From settings to a registration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import extrinsics
from uaafusion_ros.imaging.registration import homography
from uaafusion_ros.imaging.registration import homography_file
from uaafusion_ros.imaging.registration import plane
from uaafusion_ros.imaging.registration.camera import Camera
from uaafusion_ros.imaging.registration.contract import Registration
from uaafusion_ros.imaging.registration.scaling import SharedView
from uaafusion_ros.settings import RegistrationSettings


def load(settings: RegistrationSettings, infos: Mapping[str, Any] | None = None,
         transforms: Mapping[str, Any] | None = None) -> Registration:
    """
    Return the registration that the settings describe.

    `infos` are the cameras' sensor_msgs/CameraInfo messages by 'thermal' and 'rgb', which mode
    'plane' needs, and `transforms` the geometry_msgs/TransformStamped of /tf_static by child frame
    for its extrinsics, where the settings name frames. Raises RegistrationError that says what is
    missing or wrong.
    """
    if settings.mode in ('none', 'resize'):
        return SharedView(settings.mode)
    if settings.mode == 'auto':
        path = Path(settings.file)
        return homography.found(
            homography_file.read(path) if settings.file and path.exists() else None)
    if settings.mode == 'homography':
        if not settings.file:
            raise RegistrationError(
                "registration 'homography' needs a file; write one with `uaafusion calibrate`")
        return homography.registration(homography_file.read(Path(settings.file)))
    infos = infos or {}
    missing = [camera for camera in ('thermal', 'rgb') if camera not in infos]
    if missing:
        raise RegistrationError(
            f"registration 'plane' waits for the calibration of {' and '.join(missing)}: publish "
            'or remap camera_info, record it with a bag')
    try:
        thermal, rgb = (
            Camera.from_info(infos[camera], settings.rectified) for camera in ('thermal', 'rgb'))
        if settings.rgb_frame or settings.thermal_frame:
            position, rotation = extrinsics.between(
                transforms or {}, settings.rgb_frame, settings.thermal_frame)
            settings = replace(settings, translation_m=position, rotation=rotation)
        return plane.registration(settings, thermal, rgb)
    except RegistrationError as error:
        raise RegistrationError(f"registration 'plane': {error}") from error
