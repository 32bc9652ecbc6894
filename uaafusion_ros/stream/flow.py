"""From frames to jobs: stamps judged, freezes told, pairs made, the mode obeyed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.settings import FreezeSettings
from uaafusion_ros.settings import Settings
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.freeze import FreezeDetector
from uaafusion_ros.stream.health import Health
from uaafusion_ros.stream.health import HealthMonitor
from uaafusion_ros.stream.health import Mode
from uaafusion_ros.stream.nearest import Dropped
from uaafusion_ros.stream.nearest import Synchronizer
from uaafusion_ros.stream.pairing import STREAMS
from uaafusion_ros.stream.skew import refusal
from uaafusion_ros.stream.skew import Skew
from uaafusion_ros.stream.skew import SkewMonitor
from uaafusion_ros.stream.timeline import Drop


@dataclass(frozen=True)
class Job:
    """
    What the pipeline gets: a pair, or a `frame` of `camera` that is shown alone in `mode`.

    Exactly one of `pair` and `frame` is set; `decided_ns` is a time of the arrival clock.
    """

    mode: Mode
    decided_ns: int
    pair: FramePair | None = None
    frame: Frame | None = None
    camera: str = ''

    @property
    def kind(self) -> str:
        """The word for it among the counts: 'pair' or 'alone'."""
        return 'pair' if self.pair is not None else 'alone'

    def reference(self, camera: str) -> Frame:
        """Return the frame whose stamp the result carries, for sync.reference `camera`."""
        return self.frame or getattr(self.pair, camera)


class Router:
    """
    Decide what becomes of each frame of two cameras: refused, dropped, paired, or shown alone.

    `now_ns` is the arrival clock everywhere: integer nanoseconds that never fall. Jobs are
    returned, oldest first, to be done one after the other. For one thread.

    settings: the node's settings, replaced by `change`.
    make: makes the pairing policy of `settings.sync`; it may raise.
    paired: called with each pair, also with one that is too late to be shown.
    dropped: called with 'thermal', 'rgb' or 'pair', a reason and a count.
    refused: called with a camera, a reason and a sentence, for a frame with an unusable stamp.
    """

    def __init__(
        self, settings: Settings, make: Callable[[SyncSettings, Dropped], Synchronizer],
        now_ns: int, *,
        paired: Callable[[FramePair], None], dropped: Dropped,
        refused: Callable[[str, str, str], None],
    ) -> None:
        """Begin to watch the cameras at `now_ns`; raises what `make` raises."""
        self._settings = settings
        self._make = make
        self._paired = paired
        self._dropped = dropped
        self._refused = refused
        self._synchronizer = make(settings.sync, dropped)
        self._monitor = _monitor(settings, now_ns)
        self._freezes = _freezes(settings.freeze)
        self._skew = _skew(settings.sync)

    def change(self, settings: Settings, now_ns: int) -> list[Job]:
        """Take other settings; only what a changed section concerns starts anew."""
        jobs, before = [], self._settings
        if settings.sync != before.sync:
            synchronizer = self._make(settings.sync, self._dropped)
            jobs = self.reset(Drop.RESET, now_ns)
            self._synchronizer, self._skew = synchronizer, _skew(settings.sync)
        if settings.mode != before.mode:
            self._monitor = _monitor(settings, now_ns)
        if settings.freeze != before.freeze:
            self._freezes = _freezes(settings.freeze)
        self._settings = settings
        return jobs

    def take(self, camera: str, frame: Frame, now_ns: int, clock_ns: int = 0) -> list[Job]:
        """
        Take a frame of 'thermal' or 'rgb' that has just arrived.

        `clock_ns` is the clock that the cameras stamp with, 0 where it is not known.
        """
        refused = refusal(
            frame.stamp_ns, clock_ns, int(self._settings.input.max_future_s * 1e9))
        if refused is not None:
            reason, why = refused
            self._refused(camera, reason.value, why)
            self.note_refused(camera, why)
            return []
        frozen = self._freezes[camera].update(frame.array, frame.stamp_ns)
        alone = self._monitor.frame(camera, frame.stamp_ns, now_ns, frozen)
        self._skew.frame(camera, frame.stamp_ns, clock_ns)
        jobs = []
        if frozen and self._monitor.is_ghost(camera):
            self._dropped(camera, 'frozen', 1)
        else:
            jobs = self._settled(self._synchronizer.add(camera, frame, now_ns), now_ns)
        if alone:
            jobs.append(Job(self.mode(now_ns), now_ns, frame=frame, camera=camera))
        return jobs

    def note_refused(self, camera: str, why: str) -> None:
        """Take note that an image of a camera cannot be used."""
        self._monitor.refused(camera, why)

    def poll(self, now_ns: int) -> list[Job]:
        """Return the pairs whose wait is over."""
        return self._settled(self._synchronizer.poll(now_ns), now_ns)

    def reset(self, reason: Drop, now_ns: int) -> list[Job]:
        """Start pairing anew; return what can still be paired, and drop the rest."""
        jobs = self._settled(self._synchronizer.reset(reason), now_ns)
        if reason is Drop.TIME_JUMP:
            self._monitor.reset()
            self._skew.reset()
        return jobs

    def mode(self, now_ns: int) -> Mode:
        """Return what the outputs are made of now."""
        return self._monitor.mode(now_ns)

    def health(self, now_ns: int) -> Health:
        """Return what the outputs are made of now, and why."""
        return self._monitor.health(now_ns)

    def skew(self) -> Skew:
        """Return how the stamps stand to `clock_ns` and to one another."""
        return self._skew.summary()

    def jump(self) -> str | None:
        """Return the last time jump of a camera since the previous call, or None."""
        return self._synchronizer.jump()

    def advice(self) -> str | None:
        """Return what should be set differently about pairing, or None."""
        return self._synchronizer.advice()

    def _settled(self, pairs: list[FramePair], now_ns: int) -> list[Job]:
        jobs = []
        for pair in pairs:
            self._paired(pair)
            self._skew.pair(pair.skew_ns + int(self._settings.sync.thermal_offset_ms * 1e6))
            if self._monitor.pair(pair.thermal.stamp_ns, pair.rgb.stamp_ns, now_ns):
                jobs.append(Job(Mode.FUSED, now_ns, pair=pair))
            else:
                self._dropped('pair', 'late', 1)
        return jobs


def _monitor(settings: Settings, now_ns: int) -> HealthMonitor:
    return HealthMonitor(
        now_ns, timeout_ns=int(settings.mode.timeout_s * 1e9),
        recovery_pairs=settings.mode.recovery_pairs, reference=settings.sync.reference)


def _freezes(settings: FreezeSettings) -> dict[str, FreezeDetector]:
    return {camera: FreezeDetector(
        repeats=settings.repeats, max_age_ns=int(settings.age_ms * 1e6)) for camera in STREAMS}


def _skew(settings: SyncSettings) -> SkewMonitor:
    return SkewMonitor(int(settings.slop_ms * 1e6))
