"""The two cameras' frames led to one worker, in the node's time, everything counted."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import time

from rclpy.clock import ROSClock

from uaafusion_ros.frames import Frame
from uaafusion_ros.nodes.ros_time import ros_time_ns
from uaafusion_ros.nodes.synchronizer import make_synchronizer
from uaafusion_ros.nodes.tally import Tally
from uaafusion_ros.nodes.voice import Voice
from uaafusion_ros.nodes.worker import Worker
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.flow import Job
from uaafusion_ros.stream.flow import Router
from uaafusion_ros.stream.health import Health
from uaafusion_ros.stream.health import Mode
from uaafusion_ros.stream.skew import Skew
from uaafusion_ros.stream.timeline import Drop


class Flow:
    """
    Lead the frames of two cameras to one worker, as `stream.flow.Router` decides.

    Used by the executor's thread; `work(job)` runs on the worker's own. `settings` are
    replaced by `change`.
    """

    def __init__(
        self, settings: Settings, clock: ROSClock, tally: Tally, voice: Voice,
        work: Callable[[Job], None]
    ) -> None:
        """Start the worker; raises what `make_synchronizer` raises."""
        self._clock = clock
        self._tally = tally
        self._voice = voice
        self._router = Router(
            settings, make_synchronizer, time.monotonic_ns(),
            paired=lambda pair: tally.add('paired'), dropped=self._drop, refused=self._refuse)
        self._worker = Worker(work)

    def change(self, settings: Settings) -> None:
        """Take other settings; only what a changed section concerns starts anew."""
        self._hand_over(self._router.change(settings, time.monotonic_ns()))

    def take(self, camera: str, frame: Frame) -> None:
        """Take a frame of 'thermal' or 'rgb' that has just arrived."""
        now_ns, clock_ns = time.monotonic_ns(), ros_time_ns(self._clock)
        self._hand_over(self._router.take(camera, frame, now_ns, clock_ns))

    def refused(self, camera: str, why: str) -> None:
        """Take note that an image of a camera cannot be used."""
        self._router.note_refused(camera, why)

    def poll(self) -> None:
        """Hand over the pairs whose wait is over."""
        self._hand_over(self._router.poll(time.monotonic_ns()))

    def reset(self, reason: Drop) -> None:
        """Start pairing anew; what can still be paired is handed over, the rest dropped."""
        self._hand_over(self._router.reset(reason, time.monotonic_ns()))

    def mode(self) -> Mode:
        """Return what the outputs are made of now."""
        return self._router.mode(time.monotonic_ns())

    def health(self) -> Health:
        """Return what the outputs are made of now, and why."""
        return self._router.health(time.monotonic_ns())

    def skew(self) -> Skew:
        """Return how the stamps stand to the clock and to one another."""
        return self._router.skew()

    def jump(self) -> str | None:
        """Return the last time jump of a camera since the previous call, or None."""
        return self._router.jump()

    def advice(self) -> str | None:
        """Return what should be set differently about pairing, or None."""
        return self._router.advice()

    def stop(self, timeout_s: float) -> bool:
        """
        Count what waits and end the worker; return whether its job was finished in time.

        May be called again, to wait longer.
        """
        self.reset(Drop.RESET)
        left, ended = self._worker.stop(timeout_s)
        if left is not None:
            self._drop(left.kind, 'deactivated', 1)
        return ended

    def _hand_over(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.kind == 'alone':
                self._tally.add('alone')
            displaced = self._worker.put(job)
            if displaced is not None:
                self._drop(displaced.kind, 'superseded', 1)

    def _drop(self, what: str, reason: str, count: int) -> None:
        self._tally.add(f'dropped.{what}.{reason}', count)

    def _refuse(self, camera: str, reason: str, why: str) -> None:
        self._voice.error(f'{camera} image dropped: {why}', f'dropped.{camera}.{reason}')
        self._drop(camera, reason, 1)
