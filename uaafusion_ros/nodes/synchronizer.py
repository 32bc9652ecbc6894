"""The three pairing policies behind one interface."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
import os
from types import SimpleNamespace
from typing import Any
from typing import Protocol

from uaafusion_ros.errors import DependencyError
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.nodes.diagnostics import CAMERAS
from uaafusion_ros.nodes.messages import stamp_from_ns
from uaafusion_ros.stream.pairing import Drop
from uaafusion_ros.stream.pairing import NearestPairer
from uaafusion_ros.stream.pairing import Pair

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


def make_synchronizer(values: Mapping[str, Any], dropped: Dropped) -> Synchronizer:
    """
    Return the synchronizer that the parameters `values` ask for.

    Raises `DependencyError` when the policy needs message_filters and it is not installed.
    """
    if values['sync.policy'] == 'nearest':
        return NearestSynchronizer(values, dropped)
    return FiltersSynchronizer(values, dropped)


class NearestSynchronizer:
    """Pair by the 'nearest' policy: `stream.pairing.NearestPairer`, its drops passed on."""

    def __init__(self, values: Mapping[str, Any], dropped: Dropped) -> None:
        """Take the slop, the waits and the offset from the parameters `values`."""
        wait_ns = _ns(values['sync.max_wait_ms'])
        self._dropped = dropped
        self._told: Counter[tuple[str, str]] = Counter()
        self._told_jumps = 0
        self._pairer: NearestPairer[Frame] = NearestPairer(
            slop_ns=_ns(values['sync.slop_ms']), max_wait_ns=wait_ns,
            queue_size=values['sync.queue_size'], reference=values['sync.reference'],
            thermal_offset_ns=_ns(values['sync.thermal_offset_ms']),
            max_hold_ns=max(wait_ns, _LEAST_HOLD_NS))

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
        for camera, reasons in self._pairer.stats.dropped.items():
            for reason, count in reasons.items():
                new = count - self._told[camera, reason.value]
                if new:
                    self._told[camera, reason.value] = count
                    self._dropped(camera, reason.value, new)
        return [FramePair(thermal=pair.thermal, rgb=pair.rgb) for pair in pairs]


class FiltersSynchronizer:
    """
    Pair by the 'approximate' or 'exact' policy of the message_filters package.

    Its synchronizers call back under a lock that an exception leaves locked; here the callback
    only notes the pair. They drop silently; what they no longer hold and never paired is
    counted as 'unmatched'. Exact pairing compares stamps after the thermal offset; approximate
    pairing accepts differences below, not equal to, the slop.
    """

    def __init__(self, values: Mapping[str, Any], dropped: Dropped) -> None:
        """Raise `DependencyError` when message_filters is not installed."""
        self._filters = _message_filters(values['sync.policy'])
        self._values = values
        self._dropped = dropped
        self._start()

    def _start(self) -> None:
        values = self._values
        self._inputs = {camera: self._filters.SimpleFilter() for camera in CAMERAS}
        inputs = list(self._inputs.values())
        if values['sync.policy'] == 'exact':
            self._sync = self._filters.TimeSynchronizer(inputs, values['sync.queue_size'])
        else:
            self._sync = self._filters.ApproximateTimeSynchronizer(
                inputs, values['sync.queue_size'], values['sync.slop_ms'] / 1000.0)
        self._sync.registerCallback(self._found)
        self._pairs: list[FramePair] = []
        self._held = dict.fromkeys(CAMERAS, 0)

    def _found(self, thermal: Any, rgb: Any) -> None:
        self._pairs.append(FramePair(thermal=thermal.frame, rgb=rgb.frame))

    def add(self, camera: str, frame: Frame, now_ns: int) -> list[FramePair]:
        """Take a frame; return the pairs it completes."""
        stamp_ns = frame.stamp_ns
        if camera == 'thermal':
            stamp_ns += _ns(self._values['sync.thermal_offset_ms'])
        if stamp_ns < 0:
            self._dropped(camera, 'negative_stamp', 1)
            return []
        self._held[camera] += 1
        self._inputs[camera].signalMessage(SimpleNamespace(
            header=SimpleNamespace(stamp=stamp_from_ns(stamp_ns)), frame=frame))
        pairs, self._pairs = self._pairs, []
        for name, queue in zip(CAMERAS, self._sync.queues):
            lost = self._held[name] - len(pairs) - len(queue)
            self._held[name] = len(queue)
            if lost:
                self._dropped(name, 'unmatched', lost)
        return pairs

    def poll(self, now_ns: int) -> list[FramePair]:
        """Return nothing: message_filters knows no age."""
        return []

    def reset(self, reason: Drop = Drop.RESET) -> list[FramePair]:
        """Drop all waiting frames and start anew."""
        for camera, held in self._held.items():
            if held:
                self._dropped(camera, reason.value, held)
        self._start()
        return []

    def jump(self) -> str | None:
        """Return nothing: message_filters takes stamps as they come."""
        return None

    def advice(self) -> str | None:
        """Return nothing: message_filters does not know the periods."""
        return None


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)


def _message_filters(policy: str) -> Any:
    try:
        import message_filters
    except ImportError:
        distro = os.environ.get('ROS_DISTRO', '<distro>')
        raise DependencyError(
            f'sync.policy {policy} needs the ROS 2 package message_filters, which is not '
            f'installed; install ros-{distro}-message-filters or set sync.policy to nearest'
        ) from None
    return message_filters
