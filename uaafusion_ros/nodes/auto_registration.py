"""Registration found beside the fusion: pairs in, and now and then a better registration out."""

from __future__ import annotations

from datetime import date
import os
from pathlib import Path
import threading
import time

import cv2
import numpy as np

from uaafusion_ros.engine.cache import user_folder
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.frames import FramePair
from uaafusion_ros.imaging import encodings
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.calibration.tracking import State
from uaafusion_ros.imaging.calibration.tracking import Status
from uaafusion_ros.imaging.calibration.tracking import Tracker
from uaafusion_ros.imaging.registration import homography_file
from uaafusion_ros.imaging.registration import Registration
from uaafusion_ros.imaging.registration.homography import found
from uaafusion_ros.imaging.registration.homography import Homography
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.nodes.throttled_log import describe_error
from uaafusion_ros.nodes.throttled_log import ThrottledLogger
from uaafusion_ros.nodes.worker import Worker
from uaafusion_ros.pipeline import pixels
from uaafusion_ros.settings import Settings

# Of one core: what work takes, and what of it is saved first, up to so many seconds, to follow a
# mount that moved at once.
_SHARE = 0.04
_SAVED_SHARE = 0.015
_MOST_SAVED_S = 1.5

# Wider images are shrunk to this: it is what the edges are compared at, and views are many.
_WIDTH = 640

_NICENESS = 5  # of this thread alone, against those that fuse


def file_of(settings: Settings, node: str) -> Path:
    """Return where the registration of a node (fully qualified name) is kept between runs."""
    if settings.registration.file:
        return Path(settings.registration.file)
    return user_folder() / 'registration' / f'{node.strip("/").replace("/", ".")}.yaml'


class AutoRegistration:
    """
    Find the registration of the pairs that it is offered, on a thread of its own.

    `registration` and `status` are replaced as a whole and may be read by any thread. What is
    found is kept in `file` for the next start.
    """

    def __init__(self, file: Path, log: ThrottledLogger) -> None:
        """Start the thread, with what an earlier run left in `file`."""
        self._file = file
        self._log = log
        self._scaler = ThermalScaler()
        self._saved_s = _MOST_SAVED_S
        self._tracker = Tracker()
        known = None
        try:
            if file.exists():
                known = homography_file.read(file)
                sizes = known.thermal_size, known.rgb_size
                thermal, rgb = (_shrinking(size) for size in sizes)
                self._tracker = Tracker(
                    rgb @ known.matrix @ np.linalg.inv(thermal), *(_small(size) for size in sizes))
        except (RegistrationError, OSError) as error:
            log.warning(f'{error}; the registration is sought anew')
        self.registration: Registration = found(known)
        self.status: Status = self._tracker.status
        self._ended = threading.Event()
        self._worker: Worker[FramePair] = Worker(self._work, 'auto_registration')

    def offer(self, pair: FramePair) -> None:
        """Leave a pair for when there is time for one; returns at once."""
        self._worker.put(pair)

    def close(self, timeout_s: float) -> None:
        """End the thread."""
        self._ended.set()
        self._worker.stop(timeout_s)

    def _work(self, pair: FramePair) -> None:
        if self._ended.is_set():
            return
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        began_s, cpu_s = time.monotonic(), time.thread_time()
        try:
            self._take(pair)
        except Exception as error:  # whatever a pair provokes, the next one deserves its chance
            self._log.warning(f'automatic registration: {describe_error(error)}',
                              'automatic registration')
        spent_s = time.thread_time() - cpu_s
        if self.status.urgent and self._saved_s > spent_s:
            self._saved_s -= spent_s
        else:
            saving = self._saved_s < _MOST_SAVED_S
            self._ended.wait(spent_s / (_SHARE - _SAVED_SHARE * saving))
        self._saved_s = min(
            self._saved_s + (time.monotonic() - began_s) * _SAVED_SHARE, _MOST_SAVED_S)

    def _take(self, pair: FramePair) -> None:
        thermal = encodings.to_thermal(*pixels(pair.thermal))
        rgb = encodings.to_rgb8(*pixels(pair.rgb))
        view = View('', *(
            cv2.resize(image, _small(image.shape[::-1]), interpolation=cv2.INTER_AREA)
            for image in (self._scaler.scale(thermal, pair.thermal.stamp_ns).image,
                          cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))))
        before, now = self.status, self._tracker.take(view, time.monotonic_ns())
        if now.matrix is not before.matrix:
            self._replace(now, thermal.shape[1::-1], rgb.shape[1::-1])
        self.status = now

    def _replace(self, now: Status, thermal_size: tuple[int, int],
                 rgb_size: tuple[int, int]) -> None:
        """Take over another homography, or none, and keep it for the next start."""
        if now.matrix is None:
            self.registration = found(None)
            return
        uncertainty = now.uncertainty_px if np.isfinite(now.uncertainty_px) else 0.0
        matrix = np.linalg.inv(_shrinking(rgb_size)) @ now.matrix @ _shrinking(thermal_size)
        homography = Homography(matrix, thermal_size, rgb_size, uncertainty, now.points,
                                date.today().isoformat())
        self.registration = found(homography)
        try:
            homography_file.write(self._file, homography)
        except OSError as error:
            self._log.warning(
                f'the registration cannot be kept in {self._file} ({error}), so that the next '
                'start seeks it anew; name a writable registration.file')


def _small(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size (width, height) that an image is shrunk to."""
    width = min(size[0], _WIDTH)
    return width, round(size[1] * width / size[0])


def _shrinking(size: tuple[int, int]) -> np.ndarray:
    """Return the matrix (3x3) from pixels of an image to those of the shrunk one."""
    x, y = (small / full for small, full in zip(_small(size), size))
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])


def describe(status: Status) -> str:
    """Say in a sentence what is to be known of a status."""
    meanwhile = {State.SURE: '', State.SEARCHING: '; until then thermal is scaled to the size of '
                 'RGB', State.LOST: '; the last registration stays until a better one is found'}
    return f'{status.state.value}: {status.reason}{meanwhile[status.state]}'
