"""Listen to camera topics for a few seconds, without a fusion node."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import partial
import time
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.nodes import qos
from uaafusion_ros.nodes import transport
from uaafusion_ros.nodes.messages import frame_from_compressed
from uaafusion_ros.nodes.messages import ImageReader
from uaafusion_ros.stream.arrival_stats import RateMeter
from uaafusion_ros.stream.loss import LossWatch

_KINDS: dict[str, tuple[Any, Callable[[], Any]]] = {
    'sensor_msgs/msg/Image': (Image, ImageReader),
    'sensor_msgs/msg/CompressedImage': (CompressedImage, lambda: frame_from_compressed)}
_DISCOVERY_S = 5.0  # at most; it ends when both cameras are known


@dataclass
class Camera:
    """
    What was found on one camera's topic.

    kind: the type published, '' where nobody publishes it; elsewhere: other image topics of the
    graph. error: why the last image cannot be used, or ''. lost: share lost on the way, 0.0 where
    nothing shows. depths: of the publishers' queues, 0 where the RMW does not tell. stamp_ns,
    age_s: of the last image, the age by the system's clock on arrival.
    """

    topic: str
    kind: str = ''
    elsewhere: tuple[str, ...] = ()
    senders: tuple[transport.Sender, ...] = ()
    depths: tuple[int, ...] = ()
    images: int = 0
    rate_hz: float = 0.0
    lost: float = 0.0
    image_bytes: int = 0
    encoding: str = ''
    frame_id: str = ''
    stamp_ns: int = 0
    age_s: float = 0.0
    error: str = ''
    clock: LossWatch = field(default_factory=LossWatch, repr=False)
    rate: RateMeter = field(default_factory=RateMeter, repr=False)

    def take(self, read: Callable, message: bytes) -> None:
        """Take a serialized image."""
        now_ns = time.monotonic_ns()
        self.images += 1
        self.image_bytes = len(message)
        self.rate.tick(now_ns)
        try:
            frame = read(message)
        except EncodingError as error:
            self.error = str(error)
            return
        self.encoding, self.frame_id = frame.encoding, frame.frame_id
        self.stamp_ns, self.error = frame.stamp_ns, ''
        self.age_s = (time.time_ns() - frame.stamp_ns) / 1e9
        self.clock.on_stamp(frame.stamp_ns, now_ns)


def probe(topics: Mapping[str, str], seconds: float) -> tuple[str, dict[str, Camera]]:
    """
    Listen to the topic of each camera; return the name of the RMW in use, and what was found.

    `seconds` count from when publishers had time to be discovered. Raises DependencyError where
    ROS cannot start, as with an RMW that is not installed.
    """
    context = Context()
    try:
        rmw = get_rmw_implementation_identifier()
        rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
        node = Node('uaafusion_doctor', context=context, start_parameter_services=False)
    except Exception as error:  # what is missing is told in the middleware's own types
        raise DependencyError(' '.join(str(error).split())[:300]) from error
    try:
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        _discover(node, executor, list(topics.values()))
        cameras = {name: _subscribed(node, topic) for name, topic in topics.items()}
        if any(camera.kind for camera in cameras.values()):
            _spin(executor, seconds)
        now_ns = time.monotonic_ns()
        for camera in cameras.values():
            camera.rate_hz = camera.rate.rate_hz(now_ns)
            camera.lost = camera.clock.share(now_ns) or 0.0
            if camera.kind:
                camera.senders = qos.senders(node, camera.topic)
                camera.depths = tuple(each.qos_profile.depth for each in
                                      node.get_publishers_info_by_topic(camera.topic))
        executor.shutdown()
    finally:
        node.destroy_node()
        context.try_shutdown()
    return rmw, cameras


def _discover(node: Node, executor: SingleThreadedExecutor, topics: Iterable[str]) -> None:
    """Wait until each topic has a publisher."""
    end = time.monotonic() + _DISCOVERY_S
    while time.monotonic() < end and not all(map(node.count_publishers, topics)):
        _spin(executor, 0.1)


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


def _subscribed(node: Node, topic: str) -> Camera:
    graph = {name: kinds for name, kinds in node.get_topic_names_and_types()
             if node.get_publishers_info_by_topic(name)}
    camera = Camera(node.resolve_topic_name(topic))
    camera.kind = next(iter(graph.get(camera.topic, ())), '')
    camera.elsewhere = tuple(sorted(
        name for name, kinds in graph.items() if set(kinds) & set(_KINDS)))
    if camera.kind in _KINDS:
        kind, make_reader = _KINDS[camera.kind]
        node.create_subscription(
            kind, camera.topic, partial(camera.take, make_reader()),
            qos.profile(5, 'best_effort'), raw=True)
    return camera
