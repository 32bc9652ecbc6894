"""What the cameras send, looked at rarely: thermal that is not thermal, exchanged cameras."""

from __future__ import annotations

import time

import numpy as np

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.frames import Frame
from uaafusion_ros.imaging import encodings
from uaafusion_ros.imaging import thermal_checks
from uaafusion_ros.imaging.compressed import SCALED_BY_JPEG
from uaafusion_ros.nodes.throttled_log import ThrottledLogger
from uaafusion_ros.pipeline import pixels

_FIRST_S, _LAST_S = 1.0, 60.0
_CONTRADICTS = {'thermal': 'rgb', 'rgb': 'thermal'}
_REFUSALS = {
    'thermal': 'the thermal images are coloured, and false colours hide the temperatures: let '
               'the camera send mono16 or mono8, remap the topics if the cameras are exchanged, '
               'or set input.force_roles to take brightness for heat',
    'rgb': 'the RGB images have one channel of 16 bits or float, as thermal cameras have: remap '
           'the topics if the cameras are exchanged, or set input.force_roles',
}


class CameraChecks:
    """
    Look at a camera's first image, then after 1, 2, 4, ... and at last every 60 s.

    `findings` say what was unusual about the thermal image seen last; each is logged once.
    Used by one thread; any thread may read `findings`.
    """

    def __init__(self, log: ThrottledLogger) -> None:
        """Begin with cameras that were not seen yet."""
        self._log = log
        self._seen: dict[str, tuple[str, float, float]] = {}
        self._wrong: dict[str, bool] = {}
        self._logged: set[str] = set()
        self.findings: tuple[str, ...] = ()

    def check(self, camera: str, frame: Frame, force_roles: bool) -> None:
        """
        Take a frame of 'thermal' or 'rgb'; most are not looked at.

        Raises EncodingError where the camera can only be the other one, for each frame until one
        is seen that can be of this camera, and not with `force_roles`.
        """
        now = time.monotonic()
        encoding, due, wait_s = self._seen.get(camera, ('', now, 0.0))
        if now >= due or frame.encoding != encoding:
            array, name = pixels(frame)
            wrong = thermal_checks.camera_of(array, name) == _CONTRADICTS[camera]
            again = frame.encoding == encoding and not wrong
            wait_s = min(2 * wait_s, _LAST_S) if again and wait_s else _FIRST_S
            self._seen[camera], self._wrong[camera] = (frame.encoding, now + wait_s, wait_s), wrong
            if camera == 'thermal':
                self._examine(frame.encoding, encodings.to_thermal(array, name))
        if self._wrong[camera] and not force_roles:
            raise EncodingError(_REFUSALS[camera])

    def _examine(self, encoding: str, thermal: np.ndarray) -> None:
        findings = {each.kind: each.text for each in thermal_checks.examine(thermal)[1]}
        if encoding == SCALED_BY_JPEG:
            findings['scaled by JPEG'] = thermal_checks.SCALED_BY_JPEG
        self.findings = tuple(findings.values())
        for kind in findings.keys() - self._logged:
            self._logged.add(kind)
            self._log.warning(findings[kind])
