"""The router's decisions carried out: counted, logged, and jobs handed to one worker thread."""

from __future__ import annotations

from collections.abc import Callable
import time

from rclpy.clock import ROSClock

from uaafusion_ros.frames import Frame
from uaafusion_ros.imaging.thumbnail import thumbnail
from uaafusion_ros.nodes.counters import Counters
from uaafusion_ros.nodes.message_filters_pairing import make_pairing
from uaafusion_ros.nodes.throttled_log import ThrottledLogger
from uaafusion_ros.nodes.worker import Worker
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.frame_router import Decision
from uaafusion_ros.stream.frame_router import FrameRouter
from uaafusion_ros.stream.frame_router import Job
from uaafusion_ros.stream.timeline import Drop


class FrameDispatcher:
    """
    Ask a `FrameRouter` about each frame, in the node's time, and carry out what it decides.

    Used by the executor's thread; `work(job)` runs on the worker's own. `router` may be asked
    for its state.
    """

    def __init__(
        self, settings: Settings, clock: ROSClock, counters: Counters, log: ThrottledLogger,
        work: Callable[[Job], None]
    ) -> None:
        """Start the worker; raises what `make_pairing` raises."""
        self._clock = clock
        self._counters = counters
        self._log = log
        self.router = FrameRouter(settings, time.monotonic_ns(), make_pairing)
        self._worker = Worker(work)

    def on_frame(self, camera: str, frame: Frame) -> None:
        """Take a frame of 'thermal' or 'rgb' that has just arrived."""
        small = thumbnail(frame.array, frame.encoding) if self.router.estimates_offset else None
        self._carry_out(self.router.on_frame(
            camera, frame, time.monotonic_ns(), ros_time_ns(self._clock), small))

    def on_malformed(self, camera: str, why: str) -> None:
        """Take note of a message of a camera that cannot be read."""
        self._carry_out(self.router.on_refused(camera, Drop.MALFORMED, why))

    def on_tick(self) -> None:
        """Hand over the pairs whose wait is over."""
        self._carry_out(self.router.on_tick(time.monotonic_ns()))

    def configure(self, settings: Settings) -> None:
        """Take other settings; only what a change concerns starts anew."""
        self._carry_out(self.router.configure(settings, time.monotonic_ns()))

    def reset(self, reason: Drop) -> None:
        """Start pairing anew; what can still be paired is handed over, the rest dropped."""
        self._carry_out(self.router.reset(reason, time.monotonic_ns()))

    def stop(self, timeout_s: float) -> bool:
        """
        Count what waits and end the worker; return whether its job was finished in time.

        May be called again, to wait longer.
        """
        self.reset(Drop.RESET)
        left, ended = self._worker.stop(timeout_s)
        if left is not None:
            self._counters.add(f'dropped.{left.kind}.deactivated')
        return ended

    def _carry_out(self, decision: Decision) -> None:
        if decision.jobs or decision.drops:
            for key, count in decision.counts().items():
                self._counters.add(key, count)
        for level, key, text in decision.notices:
            getattr(self._log, level)(text, key)
        for job in decision.jobs:
            displaced = self._worker.put(job)
            if displaced is not None:
                self._counters.add(f'dropped.{displaced.kind}.superseded')


def ros_time_ns(clock: ROSClock) -> int:
    """
    Return the time that cameras stamp with: /clock while use_sim_time is set, else the system's.

    It is 0 before /clock begins. rclpy's own `now` makes two objects on the way, at three times
    the cost of asking.
    """
    return clock.now().nanoseconds if clock.ros_time_is_active else time.time_ns()
