"""What a pairing policy is to a flow of frames, and the built-in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.pairing import NearestPairer
from uaafusion_ros.stream.pairing import Pair
from uaafusion_ros.stream.timeline import Drop

Dropped = Callable[[str, str, int], None]

_LEAST_HOLD_NS = 1_000_000_000


class Synchronizer(Protocol):
    """
    Pair the frames of two cameras.

    Pairs are returned, never passed to a callback, so that nothing of the caller's runs under
    a lock. Every frame that will not be part of a pair is told to `dropped(camera, reason,
    count)`, given at construction. Used by one thread.
    """

    def add(self, camera: str, frame: Frame, now_ns: int) -> list[FramePair]:
        """Take a frame of 'thermal' or 'rgb' that arrived at `now_ns`; return new pairs."""

    def poll(self, now_ns: int) -> list[FramePair]:
        """Settle what has waited long enough; return new pairs."""

    def reset(self, reason: Drop = Drop.RESET) -> list[FramePair]:
        """Start anew; return what could still be paired and drop the rest for `reason`."""

    def jump(self) -> str | None:
        """Return the last time jump of a camera since the previous call, or None."""

    def advice(self) -> str | None:
        """Return what should be set differently, judged by the frames seen, or None."""


class NearestSynchronizer:
    """Pair by the 'nearest' policy: `stream.pairing.NearestPairer`, its drops passed on."""

    def __init__(self, settings: SyncSettings, dropped: Dropped) -> None:
        """Take the slop, the waits and the offset from the settings."""
        wait_ns = _ns(settings.max_wait_ms)
        self._dropped = dropped
        self._told_jumps = 0
        self._pairer: NearestPairer[Frame] = NearestPairer(
            slop_ns=_ns(settings.slop_ms), max_wait_ns=wait_ns,
            queue_size=settings.queue_size, reference=settings.reference,
            thermal_offset_ns=_ns(settings.thermal_offset_ms),
            max_hold_ns=max(wait_ns, _LEAST_HOLD_NS))
        self._told = self._pairer.stats.dropped
        self._told_total = 0

    def add(self, camera: str, frame: Frame, now_ns: int) -> list[FramePair]:
        """Take a frame; return the pairs it decides."""
        return self._settled(self._pairer.add(camera, frame.stamp_ns, frame, now_ns))

    def poll(self, now_ns: int) -> list[FramePair]:
        """Return the pairs whose wait is over."""
        return self._settled(self._pairer.poll(now_ns))

    def reset(self, reason: Drop = Drop.RESET) -> list[FramePair]:
        """Start anew; return what could still be paired."""
        return self._settled(self._pairer.reset(reason))

    def jump(self) -> str | None:
        """Say which camera's stamps jumped, and by how much."""
        stats = self._pairer.stats
        new, self._told_jumps = stats.jumps - self._told_jumps, stats.jumps
        return stats.last_jump if new else None

    def advice(self) -> str | None:
        """Say so when the slop can pair neighbours."""
        return self._pairer.advice()

    def _settled(self, pairs: list[Pair[Frame]]) -> list[FramePair]:
        total = self._pairer.dropped_total
        if total != self._told_total:  # rarely, while there are sixty calls a second and more
            told, self._told = self._told, self._pairer.stats.dropped
            self._told_total = total
            for camera, reasons in self._told.items():
                for reason, count in reasons.items():
                    if count > told[camera][reason]:
                        self._dropped(camera, reason.value, count - told[camera][reason])
        return [FramePair(thermal=pair.thermal, rgb=pair.rgb) for pair in pairs]


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
