"""The pairing policies of the message_filters package, and the choice among all three."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from uaafusion_ros.errors import DependencyError
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.nodes.messages import stamp_from_ns
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.pairing import NearestPairing
from uaafusion_ros.stream.pairing import Paired
from uaafusion_ros.stream.pairing import PairingPolicy
from uaafusion_ros.stream.pairing import STREAMS
from uaafusion_ros.stream.timeline import Drop
from uaafusion_ros.stream.timeline import Dropped


def make_pairing(settings: SyncSettings) -> PairingPolicy:
    """
    Return the policy that the settings ask for.

    Raises `DependencyError` when the policy needs message_filters and it is not installed.
    """
    if settings.policy == 'nearest':
        return NearestPairing(settings)
    return MessageFiltersPairing(settings)


class MessageFiltersPairing:
    """
    Pair by the 'approximate' or 'exact' policy of the message_filters package.

    Its synchronizers call back under a lock that an exception leaves locked; here the callback
    only notes the pair. They drop silently; what they no longer hold and never paired is
    counted as 'unmatched'. Exact pairing compares stamps after the thermal offset; approximate
    pairing accepts differences below, not equal to, the slop.
    """

    def __init__(self, settings: SyncSettings) -> None:
        """Raise `DependencyError` when message_filters is not installed."""
        self._filters = _message_filters(settings.policy)
        self._settings = settings
        self._offset_ns = round(settings.thermal_offset_ms * 1e6)
        self._start()

    def _start(self) -> None:
        settings = self._settings
        self._inputs = {camera: self._filters.SimpleFilter() for camera in STREAMS}
        inputs = list(self._inputs.values())
        if settings.policy == 'exact':
            self._sync = self._filters.TimeSynchronizer(inputs, settings.queue_size)
        else:
            self._sync = self._filters.ApproximateTimeSynchronizer(
                inputs, settings.queue_size, settings.slop_ms / 1e3)
        self._sync.registerCallback(self._found)
        self._pairs: list[FramePair] = []
        self._held = dict.fromkeys(STREAMS, 0)

    def _found(self, thermal: Any, rgb: Any) -> None:
        self._pairs.append(FramePair(thermal=thermal.frame, rgb=rgb.frame))

    def add(self, camera: str, frame: Frame, now_ns: int) -> Paired:
        """Take a frame; return the pairs it completes."""
        stamp_ns = frame.stamp_ns
        if camera == 'thermal':
            stamp_ns += self._offset_ns
        if stamp_ns < 0:
            return Paired([], [Dropped(camera, 'negative_stamp')])
        self._held[camera] += 1
        self._inputs[camera].signalMessage(SimpleNamespace(
            header=SimpleNamespace(stamp=stamp_from_ns(stamp_ns)), frame=frame))
        pairs, self._pairs = self._pairs, []
        drops = []
        for name, queue in zip(STREAMS, self._sync.queues):
            lost = self._held[name] - len(pairs) - len(queue)
            self._held[name] = len(queue)
            if lost:
                drops.append(Dropped(name, 'unmatched', lost))
        return Paired(pairs, drops)

    def poll(self, now_ns: int) -> Paired:
        """Return nothing: message_filters knows no age."""
        return Paired([], [])

    def reset(self, reason: Drop) -> Paired:
        """Drop all waiting frames and start anew."""
        drops = [Dropped(name, reason.value, held) for name, held in self._held.items() if held]
        self._start()
        return Paired([], drops)

    def set_thermal_offset(self, offset_ns: int) -> None:
        """Add this to thermal stamps from now on; to be called after `reset`."""
        self._offset_ns = offset_ns

    def advice(self) -> str:
        """Return nothing: message_filters does not know the periods."""
        return ''


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
