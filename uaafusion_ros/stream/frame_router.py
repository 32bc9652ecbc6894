"""From frames to jobs: stamps checked, freezes noticed, pairs made, the mode obeyed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.settings import FreezeSettings
from uaafusion_ros.settings import Settings
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.freeze import FreezeDetector
from uaafusion_ros.stream.health import Health
from uaafusion_ros.stream.health import HealthMonitor
from uaafusion_ros.stream.health import Mode
from uaafusion_ros.stream.health import SHOWN_ALONE
from uaafusion_ros.stream.monotonic_output import MonotonicOutput
from uaafusion_ros.stream.offset import Offset
from uaafusion_ros.stream.offset import OffsetEstimator
from uaafusion_ros.stream.pairing import NearestPairing
from uaafusion_ros.stream.pairing import Paired
from uaafusion_ros.stream.pairing import PairingPolicy
from uaafusion_ros.stream.pairing import STREAMS
from uaafusion_ros.stream.skew import Skew
from uaafusion_ros.stream.skew import SkewMonitor
from uaafusion_ros.stream.timeline import Drop
from uaafusion_ros.stream.timeline import Dropped

TICK_NS = 50_000_000  # between two calls of `on_tick`: a lost camera is told that much late
_LEAST_CHANGE_MS = 5.0  # of the measured offset; less is not worth the frames it costs


@dataclass(frozen=True)
class Job:
    """
    What the pipeline gets: a `pair`, or where that is None, a frame that is shown alone.

    `reference` is the frame whose stamp the result carries, and the one that is shown alone;
    `camera` is its camera. `decided_ns` is a time of the arrival clock.
    """

    mode: Mode
    decided_ns: int
    camera: str
    reference: Frame
    pair: FramePair | None = None

    @property
    def kind(self) -> str:
        """The word for it among the counts: 'pair' or 'alone'."""
        return 'alone' if self.pair is None else 'pair'


class Notice(NamedTuple):
    """To be logged: `level` 'error', 'warning' or 'info', `key` for what is the same fault."""

    level: str
    key: str
    text: str


class Decision(NamedTuple):
    """
    What is to be done now: jobs, oldest first, one after the other; drops; notices.

    A drop of a 'pair' is one that was made and came too late to be published.
    """

    jobs: list[Job]
    drops: list[Dropped]
    notices: list[Notice]

    def counts(self) -> dict[str, int]:
        """Return by how much each count rises: paired, alone, dropped.<what>.<reason>."""
        counts: dict[str, int] = {}
        keys = [('alone' if job.pair is None else 'paired', 1) for job in self.jobs]
        for what, reason, count in self.drops:
            keys.append((f'dropped.{what}.{reason}', count))
            if what == 'pair':
                keys.append(('paired', count))
        for key, count in keys:
            counts[key] = counts.get(key, 0) + count
        return counts


class FrameRouter:
    """
    Decide what becomes of each frame of two cameras: refused, dropped, paired, or shown alone.

    It calls nothing of the caller's: all is returned. `now_ns` is the arrival clock everywhere:
    integer nanoseconds that never fall. For one thread.

    make_pairing: returns the pairing policy of the settings; it may raise.
    """

    def __init__(
        self, settings: Settings, now_ns: int,
        make_pairing: Callable[[SyncSettings], PairingPolicy] = NearestPairing,
    ) -> None:
        """Begin to watch the cameras at `now_ns`; raises what `make_pairing` raises."""
        self._make_pairing = make_pairing
        self._settings = settings
        self._pairing = make_pairing(settings.sync)
        self._health = HealthMonitor(settings.mode, settings.sync.policy, now_ns)
        self._output = MonotonicOutput()
        self._freezes = _freezes(settings.freeze)
        self._skew = _skew(settings.sync)
        self._set_up_offset(settings.sync)

    def _set_up_offset(self, sync: SyncSettings) -> None:
        self._offset_ns = round(sync.thermal_offset_ms * 1e6)
        self._estimator = OffsetEstimator() if sync.estimate_offset else None

    def configure(self, settings: Settings, now_ns: int) -> Decision:
        """Take other settings; only what a change concerns starts anew, the mode never does."""
        before, decision = self._settings, Decision([], [], [])
        if settings.sync != before.sync:
            pairing = self._make_pairing(settings.sync)
            decision = self.reset(Drop.RESET, now_ns)
            self._pairing, self._skew = pairing, _skew(settings.sync)
            if (settings.sync.estimate_offset and before.sync.estimate_offset
                    and settings.sync.thermal_offset_ms == before.sync.thermal_offset_ms):
                pairing.set_thermal_offset(self._offset_ns)
            else:
                self._set_up_offset(settings.sync)
        self._health.configure(settings.mode, settings.sync.policy)
        if settings.freeze != before.freeze:
            self._freezes = _freezes(settings.freeze)
        self._settings = settings
        return decision

    def on_frame(
        self, camera: str, frame: Frame, now_ns: int, clock_ns: int = 0,
        thumbnail: np.ndarray | None = None
    ) -> Decision:
        """
        Take a frame of 'thermal' or 'rgb' that has just arrived.

        `clock_ns` is the clock that the cameras stamp with, 0 where it is not known; `thumbnail`
        a small gray image (HxW) where the offset is to be measured.
        """
        measured = self._measure_offset(camera, frame.stamp_ns, now_ns, thumbnail)
        decision = self._route(camera, frame, now_ns, clock_ns)
        if measured is None:
            return decision
        return Decision(measured.jobs + decision.jobs, measured.drops + decision.drops,
                        measured.notices + decision.notices)

    def _measure_offset(
        self, camera: str, stamp_ns: int, now_ns: int, thumbnail: np.ndarray | None
    ) -> Decision | None:
        """Apply another offset where motion shows it; waiting frames are settled before."""
        if self._estimator is None or thumbnail is None or stamp_ns == 0:
            return None
        found = self._estimator.add(camera, thumbnail, stamp_ns, now_ns)
        before_ms = self._offset_ns / 1e6
        if found is None or (
                abs(found.offset_ms - before_ms) < max(_LEAST_CHANGE_MS, found.uncertainty_ms)):
            return None
        decision = self.reset(Drop.RESET, now_ns)
        self._offset_ns = round(found.offset_ms * 1e6)
        self._pairing.set_thermal_offset(self._offset_ns)
        decision.notices.append(Notice(
            'info', 'thermal offset', f'sync.thermal_offset_ms is {found.offset_ms:.0f} (within '
            f'{found.uncertainty_ms:.0f} ms) from now on, {before_ms:.0f} before: {found.reason}'))
        return decision

    def _route(self, camera: str, frame: Frame, now_ns: int, clock_ns: int) -> Decision:
        stamp_ns = frame.stamp_ns
        # What only pairing sees may be ahead by a clock that is known to be.
        bridged_ns = self._offset_ns if camera != self._settings.sync.reference == 'rgb' else 0
        refused = _refusal(stamp_ns, clock_ns, bridged_ns,
                           int(self._settings.input.max_future_s * 1e9))
        if refused is not None:
            reason, why = refused
            return self.on_refused(camera, reason, why)
        frozen = self._freezes[camera].update(frame.array, stamp_ns)
        mode = self._health.on_frame(camera, now_ns, frozen)
        self._skew.on_frame(camera, stamp_ns, clock_ns)
        alone = (SHOWN_ALONE.get(mode) == camera
                 and self._output.admit_alone(camera, stamp_ns, now_ns))
        if frozen and self._health.repeats_alone(camera):
            decision = Decision([], [Dropped(camera, Drop.FROZEN.value)], [])
        else:
            decision = self._settled(self._pairing.add(camera, frame, now_ns), now_ns)
        if alone:
            decision.jobs.append(Job(mode, now_ns, camera, frame))
        return decision

    def on_refused(self, camera: str, reason: Drop, why: str) -> Decision:
        """Take note that an image of a camera cannot be used."""
        self._health.on_refused(camera, why)
        return Decision([], [Dropped(camera, reason.value)], [Notice(
            'error', f'dropped.{camera}.{reason.value}', f'{camera} image dropped: {why}')])

    def on_tick(self, now_ns: int) -> Decision:
        """Settle what has waited long enough; to be called every `TICK_NS`."""
        decision = self._settled(self._pairing.poll(now_ns), now_ns)
        self._health.update(now_ns)
        return decision

    def reset(self, reason: Drop, now_ns: int) -> Decision:
        """Start pairing anew; return what can still be paired, and drop the rest."""
        decision = self._settled(self._pairing.reset(reason), now_ns)
        if reason is Drop.TIME_JUMP:
            self._output.restart()
            self._skew.reset()
        return decision

    @property
    def mode(self) -> Mode:
        """What the outputs are made of since the last frame or tick."""
        return self._health.mode

    def health(self, now_ns: int) -> Health:
        """Return what the outputs are made of now, and why."""
        return self._health.health(now_ns)

    def skew(self) -> Skew:
        """Return how the stamps stand to `clock_ns` and to one another."""
        return self._skew.summary()

    @property
    def estimates_offset(self) -> bool:
        """Whether `on_frame` has a use for thumbnails."""
        return self._estimator is not None

    def thermal_offset(self) -> tuple[float, Offset | None]:
        """Return what is added to thermal stamps in ms, and the last estimate, if one is made."""
        latest = None if self._estimator is None else self._estimator.latest
        return self._offset_ns / 1e6, latest

    def advice(self) -> str:
        """Return what should be set differently about pairing, or nothing."""
        return self._pairing.advice()

    def _settled(self, paired: Paired, now_ns: int) -> Decision:
        jobs, notices = [], []
        for pair in paired.pairs:
            rgb, thermal = pair.rgb, pair.thermal
            self._skew.on_pair(thermal.stamp_ns + self._offset_ns - rgb.stamp_ns)
            self._health.on_pair(now_ns)
            camera = self._settings.sync.reference
            reference = rgb if camera == 'rgb' else thermal
            if self._output.admit_pair(reference.stamp_ns, now_ns):
                jobs.append(Job(Mode.FUSED, now_ns, camera, reference, pair))
            else:
                paired.drops.append(Dropped('pair', 'late'))
        if paired.jumps:
            notices.append(Notice(
                'warning', 'time jump', f'{", ".join(paired.jumps)}; pairing starts anew'))
        return Decision(jobs, paired.drops, notices)


def _refusal(
    stamp_ns: int, clock_ns: int, offset_ns: int, max_future_ns: int
) -> tuple[Drop, str] | None:
    """
    Return why a stamp cannot be used (reason, and a sentence with the remedy), or None.

    Refused are zero stamps and stamps that with `offset_ns` are more than max_future_ns ahead of
    `clock_ns`, the clock that the cameras are meant to stamp with (ROS time). At clock_ns 0
    simulated time has not begun, and nothing is ahead.
    """
    if stamp_ns == 0:
        return Drop.ZERO_STAMP, 'its stamp is zero; let the driver set header.stamp'
    ahead = stamp_ns + offset_ns - clock_ns
    if clock_ns and ahead > max_future_ns:
        return Drop.FUTURE, (
            f'its stamp lies {ahead / 1e9:.3f} s ahead of the ROS clock; synchronise the clocks, '
            'and let cameras and node agree on use_sim_time')
    return None


def _freezes(settings: FreezeSettings) -> dict[str, FreezeDetector]:
    return {camera: FreezeDetector(
        repeats=settings.repeats, max_age_ns=int(settings.age_ms * 1e6)) for camera in STREAMS}


def _skew(settings: SyncSettings) -> SkewMonitor:
    return SkewMonitor(0 if settings.policy == 'exact' else int(settings.slop_ms * 1e6))
