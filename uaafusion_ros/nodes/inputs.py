"""The cameras' topics: images checked and made frames, calibrations kept, silence explained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import time
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

from uaafusion_ros.nodes import qos
from uaafusion_ros.nodes import static_transforms
from uaafusion_ros.nodes import transport
from uaafusion_ros.nodes.counters import CAMERAS
from uaafusion_ros.nodes.counters import Counters
from uaafusion_ros.nodes.frame_dispatcher import FrameDispatcher
from uaafusion_ros.nodes.messages import frame_from_compressed
from uaafusion_ros.nodes.messages import ImageReader
from uaafusion_ros.nodes.parameters import Parameters
from uaafusion_ros.nodes.registering import uses_transforms
from uaafusion_ros.nodes.throttled_log import describe_error
from uaafusion_ros.nodes.throttled_log import ThrottledLogger
from uaafusion_ros.stream.arrival_stats import RateMeter
from uaafusion_ros.stream.loss import LossWatch

# By input.<camera>_transport: type, what image_transport appends to the topic, reader.
_TRANSPORTS: dict[str, tuple[Any, str, Callable[[], Any]]] = {
    'raw': (Image, '', ImageReader),
    'compressed': (CompressedImage, '/compressed', lambda: frame_from_compressed)}
_LOOK_NS = 2_000_000_000  # between two looks at the publishers while images are lost


class Inputs:
    """
    Subscriptions to both cameras.

    Each image goes to the `dispatcher`. The newest calibration of each camera is kept in
    `infos`, and in `transforms` the static transforms by child frame, where they are asked for;
    `calibrated()` is called when one differs from the one before. `parameters` holds the settings
    in use. Used by the executor's thread.
    """

    def __init__(
        self, node: LifecycleNode, parameters: Parameters, counters: Counters,
        log: ThrottledLogger, dispatcher: FrameDispatcher, infos: dict[str, CameraInfo],
        transforms: dict[str, Any], calibrated: Callable[[], None]
    ) -> None:
        """Subscribe."""
        self._node = node
        self._parameters = parameters
        self._counters = counters
        self._dispatcher = dispatcher
        self.infos = infos
        self._calibrated = calibrated
        self._started_ns = time.monotonic_ns()
        self._rates = {camera: RateMeter() for camera in CAMERAS}
        self._losses = {camera: LossWatch() for camera in CAMERAS}
        self._image_bytes = dict.fromkeys(CAMERAS, 0)
        self._causes = dict.fromkeys(CAMERAS, '')
        self._looked_ns = dict.fromkeys(CAMERAS, 0)
        self._said: set[tuple[str, str]] = set()
        self._readers, self._images, self._subscriptions = {}, {}, []
        self._silences = {camera: qos.SilenceWarnings() for camera in CAMERAS}
        now = parameters.settings
        profile = qos.profile(now.qos.input_depth, now.qos.input_reliability)
        transports = {'thermal': now.input.thermal_transport, 'rgb': now.input.rgb_transport}
        for camera in CAMERAS:
            kind, suffix, make_reader = _TRANSPORTS[transports[camera]]
            self._readers[camera] = make_reader()
            # After remapping, as image_transport does it.
            topic = node.resolve_topic_name(f'{camera}/image_raw') + suffix
            self._images[camera] = node.create_subscription(
                kind, topic, partial(self.receive, camera), profile,
                event_callbacks=qos.input_events(topic, log.warning), raw=True)
            self._subscriptions += [self._images[camera], node.create_subscription(
                CameraInfo, f'{camera}/camera_info', partial(self.calibrate, camera), profile)]
        if uses_transforms(now.registration):
            self._subscriptions.append(static_transforms.subscribe(node, transforms, calibrated))

    def receive(self, camera: str, message: bytes) -> None:
        """Take a serialized image message of 'thermal' or 'rgb'."""
        if not self._subscriptions:  # an events executor delivers what it had queued
            return
        self._counters.add(f'received.{camera}')
        now_ns = time.monotonic_ns()
        self._rates[camera].tick(now_ns)
        try:
            frame = self._readers[camera](message, self._parameters.settings.input.max_pixels)
        except Exception as error:  # whatever an image provokes, the next deserves its chance
            self._dispatcher.on_malformed(
                camera, f'{describe_error(error)} (on {self._images[camera].topic_name})')
            return
        self._losses[camera].on_stamp(frame.stamp_ns, now_ns)
        self._image_bytes[camera] = len(message)
        self._dispatcher.on_frame(camera, frame)

    def calibrate(self, camera: str, info: CameraInfo) -> None:
        """Take a calibration message."""
        before, self.infos[camera] = self.infos.get(camera), info
        if before is None or _optics(before) != _optics(info):
            self._calibrated()

    def rate_hz(self, camera: str) -> float:
        """Return the rate of a camera's messages in Hz, 0 where fewer than two came lately."""
        return self._rates[camera].rate_hz(time.monotonic_ns())

    def silence_s(self, camera: str) -> float:
        """Return the seconds since a camera's last message, or since subscribing."""
        return (time.monotonic_ns() - (self._rates[camera].last_ns or self._started_ns)) / 1e9

    def heard(self, camera: str) -> bool:
        """Return whether a message of a camera has come."""
        return self._rates[camera].last_ns is not None

    def lost(self, camera: str) -> tuple[float, str]:
        """Return the share of a camera's images that is being lost, and a warning or ''."""
        lost, cause = self._losses[camera].lost, self._causes[camera]
        what = (f'{lost:.0%} of the {camera} images are lost' if lost
                else f'few {camera} images come')
        return lost, cause and f'{what}: {cause}'

    def watch(self) -> None:
        """Say why images are lost, each cause once, and why a camera is silent, when due."""
        for camera in CAMERAS:
            self._watch_loss(camera, time.monotonic_ns())
        for camera, warnings in self._silences.items():
            silence_s = self.silence_s(camera)
            if warnings.due(silence_s, self._parameters.settings.input.timeout_s):
                # Not throttled: these warnings have a schedule of their own.
                self._node.get_logger().warning(
                    f'{self._images[camera].topic_name}: no image for {silence_s:.1f} s; '
                    f'{self.cause_of_silence(camera)}')

    def _watch_loss(self, camera: str, now_ns: int) -> None:
        lost, few = self._losses[camera].update(now_ns), self._losses[camera].undecided(now_ns)
        if not lost and not few:
            self._causes[camera] = ''
        elif lost and not self._causes[camera] or now_ns - self._looked_ns[camera] > _LOOK_NS:
            self._looked_ns[camera] = now_ns
            cause = self._causes[camera] = self._cause_of_loss(camera, certain=lost > 0)
            if cause and (camera, cause) not in self._said:
                self._said.add((camera, cause))
                self._node.get_logger().warning(
                    f'{self._images[camera].topic_name}: {self.lost(camera)[1]}')

    def _cause_of_loss(self, camera: str, certain: bool) -> str:
        settings = self._parameters.settings.qos
        senders = qos.senders(self._node, self._images[camera].topic_name)
        size, free = self._image_bytes[camera], transport.free_shared_memory()
        if not certain:  # a camera may be slow; one without the profile loses nearly all
            return transport.missing_profile(senders, size, free)
        return transport.cause_of_loss(
            senders, size, rmw=get_rmw_implementation_identifier(), depth=settings.input_depth,
            reliable=settings.input_reliability == 'reliable', free_bytes=free)

    def cause_of_silence(self, camera: str) -> str:
        """Say why nothing arrives from a camera, and what to do."""
        image = self._images[camera]
        return qos.cause_of_silence(
            image.qos_profile, self._node.get_publishers_info_by_topic(image.topic_name),
            self._other_transport(camera))

    def _other_transport(self, camera: str) -> str:
        """Return what to set if the camera is heard under its other transport, else ''."""
        topic = self._images[camera].topic_name
        for name, (_, suffix, _) in _TRANSPORTS.items():
            other = self._node.resolve_topic_name(f'{camera}/image_raw') + suffix
            if other != topic and self._node.get_publishers_info_by_topic(other):
                return f'{other} is published: set input.{camera}_transport to {name}'
        return ''

    def destroy(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []


def _optics(info: CameraInfo) -> tuple[Any, ...]:
    return (info.width, info.height, info.distortion_model,
            *(tuple(numbers) for numbers in (info.d, info.k, info.r, info.p)))
