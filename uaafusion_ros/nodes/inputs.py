"""The cameras' topics: images checked and made frames, calibrations kept, silence explained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import time
from typing import Any

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

from uaafusion_ros.frames import Frame
from uaafusion_ros.nodes import qos
from uaafusion_ros.nodes.messages import frame_from_compressed
from uaafusion_ros.nodes.messages import ImageReader
from uaafusion_ros.nodes.tally import CAMERAS
from uaafusion_ros.nodes.tally import Tally
from uaafusion_ros.nodes.voice import said
from uaafusion_ros.nodes.voice import Voice
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.timing import RateMeter

# By input.<camera>_transport: type, what image_transport appends to the topic, reader.
_TRANSPORTS = {'raw': (Image, '', ImageReader),
               'compressed': (CompressedImage, '/compressed', lambda: frame_from_compressed)}


class Inputs:
    """
    Subscriptions to both cameras.

    Each usable image goes to `take(camera, frame)`, each refused one is counted and its reason
    told to `refused(camera, reason)`; `calibrated()` is called when a calibration differs from the
    one before. `settings()` are those in use; `infos` holds the newest calibration by
    camera. Used by the executor's thread.
    """

    def __init__(
        self, node: LifecycleNode, settings: Callable[[], Settings], tally: Tally,
        voice: Voice, take: Callable[[str, Frame], None], refused: Callable[[str, str], None],
        calibrated: Callable[[], None]
    ) -> None:
        """Subscribe."""
        self._node = node
        self._settings = settings
        self._tally = tally
        self._voice = voice
        self._take = take
        self._refused = refused
        self._calibrated = calibrated
        self.infos: dict[str, CameraInfo] = {}
        self._rates = {camera: RateMeter() for camera in CAMERAS}
        self._readers, self._images, self._subscriptions = {}, {}, []
        self._watches = {camera: qos.SilenceWatch(time.monotonic()) for camera in CAMERAS}
        now = settings()
        profile = qos.profile(now.qos.input_depth, now.qos.input_reliability)
        transports = {'thermal': now.input.thermal_transport, 'rgb': now.input.rgb_transport}
        for camera in CAMERAS:
            kind, suffix, make_reader = _TRANSPORTS[transports[camera]]
            self._readers[camera] = make_reader()
            # After remapping, as image_transport does it.
            topic = node.resolve_topic_name(f'{camera}/image_raw') + suffix
            self._images[camera] = node.create_subscription(
                kind, topic, partial(self.receive, camera), profile,
                event_callbacks=qos.input_events(topic, voice.warning), raw=True)
            self._subscriptions += [self._images[camera], node.create_subscription(
                CameraInfo, f'{camera}/camera_info', partial(self.calibrate, camera), profile)]

    def receive(self, camera: str, message: bytes) -> None:
        """Take a serialized image message of 'thermal' or 'rgb'."""
        if not self._subscriptions:  # an events executor delivers what it had queued
            return
        now_ns = time.monotonic_ns()
        self._tally.add(f'received.{camera}')
        self._rates[camera].tick(now_ns)
        self._watches[camera].heard(now_ns / 1e9)
        try:
            frame = self._readers[camera](message, self._settings().input.max_pixels)
        except Exception as error:  # whatever an image provokes, the next deserves its chance
            fault = f'dropped.{camera}.malformed'
            self._voice.error(
                f'{self._images[camera].topic_name}: image dropped: {said(error)}', fault)
            self._tally.add(fault)
            self._refused(camera, said(error))
            return
        self._take(camera, frame)

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
        return self._watches[camera].quiet_for(time.monotonic())

    def watch(self) -> None:
        """Say why a camera is silent, when that is due."""
        now = time.monotonic()
        for camera, watch in self._watches.items():
            if watch.due(now, self._settings().input.timeout_s):
                # Not through the voice: the watch has a schedule of its own.
                self._node.get_logger().warning(
                    f'{self._images[camera].topic_name}: no image for '
                    f'{watch.quiet_for(now):.1f} s; {self.cause_of_silence(camera)}')

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
