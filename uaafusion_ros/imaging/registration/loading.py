"""From settings to a registration."""

from __future__ import annotations

from pathlib import Path

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import homography
from uaafusion_ros.imaging.registration import homography_file
from uaafusion_ros.imaging.registration import plane
from uaafusion_ros.imaging.registration.contract import Registration
from uaafusion_ros.imaging.registration.scaling import SharedView

MODES = ('none', 'resize', 'homography', 'plane')


def load(mode: str, *, file: Path | None = None,
         setup: plane.PlaneSetup | None = None) -> Registration:
    """
    Return the registration of a mode (one of MODES).

    'homography' needs `file`, written by `uaafusion calibrate`; 'plane' needs `setup`. Raises
    RegistrationError that says what is missing or wrong.
    """
    if mode in ('none', 'resize'):
        return SharedView(mode)
    if mode == 'homography':
        if file is None:
            raise RegistrationError(
                "registration 'homography' needs a file; write one with `uaafusion calibrate`")
        return homography.registration(homography_file.read(file))
    if mode == 'plane':
        if setup is None:
            raise RegistrationError(
                "registration 'plane' needs the calibration of both cameras and where they are")
        return plane.registration(setup)
    raise RegistrationError(f'registration {mode!r} is not known; accepted are {", ".join(MODES)}')
