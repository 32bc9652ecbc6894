"""A node in the test's own process: images handed to it, and what it makes of them heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rcl_interfaces.msg import Log
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image
from std_msgs.msg import String

from uaafusion_ros.nodes.diagnostics import read
from uaafusion_ros.nodes.fusion_node import FusionNode
from uaafusion_ros.nodes.messages import image_from_array
from uaafusion_ros.nodes.objects import Detection2DArray
from uaafusion_ros.nodes.objects import DETECTIONS
from uaafusion_ros.nodes.objects import OBJECTS
from uaafusion_ros.nodes.outputs import INFO

STAMP_NS = 1_700_000_000 * 10**9


class NodeBench:
    """
    A fusion node and a listener on one context and one executor, which only the test turns.

    Both belong to one DDS participant, so that they know each other at once. Messages reach the
    node by the callbacks that it subscribed with, in the order of the calls.
    """

    def __init__(self) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self._callbacks: dict[str, Callable[[Any], None]] = {}
        self.node = FusionNode(context=self._context)
        self.node.create_subscription = self._subscribed(self.node.create_subscription)
        self._listener = rclpy.create_node('listener', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        for node in (self.node, self._listener):
            self._executor.add_node(node)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self._hear(DiagnosticArray, '/diagnostics')
        self._hear(Log, '/rosout')
        assert self.set('diagnostics.period_s', 0.1)

    def _subscribed(self, create: Callable[..., Any]) -> Callable[..., Any]:
        def kept(kind, topic, callback, *arguments, **options):
            self._callbacks[self.node.resolve_topic_name(topic)] = callback
            return create(kind, topic, callback, *arguments, **options)
        return kept

    def _hear(self, kind: type, topic: str) -> None:
        self._listener.create_subscription(kind, topic, self.heard[topic].append, 50)

    def hear(self, topic: str) -> list[Any]:
        """Listen to an output; return the list that its messages come to."""
        kinds = {INFO: CameraInfo, OBJECTS: String, DETECTIONS: Detection2DArray}
        self._hear(kinds.get(topic, Image), topic)
        return self.heard[topic]

    def set(self, name: str, value: Any) -> bool:
        """Set a parameter; return whether the node took it."""
        return self.node.set_parameters_atomically([Parameter(name, value=value)]).successful

    def callback(self, topic: str) -> Callable[[Any], None]:
        """Return what the node last subscribed to an absolute topic with."""
        return self._callbacks[topic]

    def send(self, camera: str, stamp_ns: int = STAMP_NS, size: tuple[int, int] = (4, 6)) -> None:
        """Let a camera send a black image of `size` (height, width)."""
        shape, encoding = ((*size, 3), 'rgb8') if camera == 'rgb' else (size, 'mono8')
        self.callback(f'/{camera}/image_raw')(serialize_message(image_from_array(
            np.zeros(shape, np.uint8), encoding, stamp_ns, f'{camera}_optical')))

    def send_pair(self, stamp_ns: int = STAMP_NS, **sizes: tuple[int, int]) -> None:
        """Let both cameras send an image of one stamp."""
        for camera in ('rgb', 'thermal'):
            self.send(camera, stamp_ns, sizes.get(camera, (4, 6)))

    def calibrate(self, camera: str, info: CameraInfo) -> None:
        """Let a camera send its calibration."""
        self.callback(f'/{camera}/camera_info')(info)

    def until(self, condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Turn the executor; return the first true value of `condition()`, or its last."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()) and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.02)
        return value

    def turn(self, seconds: float) -> None:
        """Turn the executor for so long."""
        self.until(lambda: False, seconds)

    def values(self) -> dict[str, str]:
        """Return the values of a report that was made after this call."""
        return read(self._report(), '/fusion_node')

    def messages(self) -> dict[str, str]:
        """Return the messages, by status, of a report that was made after this call."""
        return {status.name.partition(': ')[2]: status.message
                for status in self._report().status}

    def _report(self) -> DiagnosticArray:
        reports = self.heard['/diagnostics']
        first = len(reports) + 1  # one may be on its way already
        assert self.until(lambda: len(reports) > first), 'nothing is reported'
        return reports[-1]

    def warnings(self) -> list[str]:
        """Return what the node has logged as a warning."""
        return [entry.msg for entry in self.heard['/rosout'] if entry.level == 30]

    def close(self) -> bool:
        """End the node; return whether it ended in time."""
        ended = self.node.close(5.0)
        self._executor.shutdown()
        for node in (self.node, self._listener):
            node.destroy_node()
        self._context.try_shutdown()
        return ended
