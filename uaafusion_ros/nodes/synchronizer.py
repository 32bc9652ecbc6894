"""The three pairing policies behind one interface; those of message_filters are here."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from uaafusion_ros.errors import DependencyError
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.nodes.messages import stamp_from_ns
from uaafusion_ros.nodes.tally import CAMERAS
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.nearest import Dropped
from uaafusion_ros.stream.nearest import NearestSynchronizer
from uaafusion_ros.stream.nearest import Synchronizer
from uaafusion_ros.stream.timeline import Drop


def make_synchronizer(settings: SyncSettings, dropped: Dropped) -> Synchronizer:
    """
    Return the synchronizer that the settings ask for.

    Raises `DependencyError` when the policy needs message_filters and it is not installed.
    """
    if settings.policy == 'nearest':
        return NearestSynchronizer(settings, dropped)
    return FiltersSynchronizer(settings, dropped)


class FiltersSynchronizer:
    """
    Pair by the 'approximate' or 'exact' policy of the message_filters package.

    Its synchronizers call back under a lock that an exception leaves locked; here the callback
    only notes the pair. They drop silently; what they no longer hold and never paired is
    counted as 'unmatched'. Exact pairing compares stamps after the thermal offset; approximate
    pairing accepts differences below, not equal to, the slop.
    """

    def __init__(self, settings: SyncSettings, dropped: Dropped) -> None:
        """Raise `DependencyError` when message_filters is not installed."""
        self._filters = _message_filters(settings.policy)
        self._settings = settings
        self._dropped = dropped
        self._start()

    def _start(self) -> None:
        settings = self._settings
        self._inputs = {camera: self._filters.SimpleFilter() for camera in CAMERAS}
        inputs = list(self._inputs.values())
        if settings.policy == 'exact':
            self._sync = self._filters.TimeSynchronizer(inputs, settings.queue_size)
        else:
            self._sync = self._filters.ApproximateTimeSynchronizer(
                inputs, settings.queue_size, settings.slop_ms / 1000.0)
        self._sync.registerCallback(self._found)
        self._pairs: list[FramePair] = []
        self._held = dict.fromkeys(CAMERAS, 0)

    def _found(self, thermal: Any, rgb: Any) -> None:
        self._pairs.append(FramePair(thermal=thermal.frame, rgb=rgb.frame))

    def add(self, camera: str, frame: Frame, now_ns: int) -> list[FramePair]:
        """Take a frame; return the pairs it completes."""
        stamp_ns = frame.stamp_ns
        if camera == 'thermal':
            stamp_ns += round(self._settings.thermal_offset_ms * 1e6)
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
