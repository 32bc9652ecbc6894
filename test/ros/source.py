"""A camera pair inside the test's own process, sent image by image with any stamp."""

from __future__ import annotations

import time
from typing import Any

from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from robot import Listener
from robot import until
from sensor_msgs.msg import Image

from uaafusion_ros.harness.pictures import scene
from uaafusion_ros.nodes.messages import image_from_array

BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


class Source:
    """Publishers of a thermal and an RGB topic, and the scene that they show."""

    def __init__(
        self, listener: Listener, namespace: str = '', size: tuple[int, int] = (64, 48),
        qos: Any = BEST_EFFORT
    ) -> None:
        self._node = listener.node
        self.topics = {camera: self._node.create_publisher(
            Image, f'{namespace}/{camera}/image_raw', qos) for camera in ('thermal', 'rgb')}
        self.sent = {'thermal': 0, 'rgb': 0}
        self._shown = {'thermal': 0, 'rgb': 0}
        self.resize(size)

    def resize(self, size: tuple[int, int]) -> None:
        """Show the scene in another width and height from now on."""
        thermal, rgb = scene(*size)
        self._images = {'thermal': (thermal, 'mono8'), 'rgb': (rgb, 'rgb8')}

    def matched(self, timeout_s: float = 10.0) -> bool:
        """Wait until both topics have a subscriber; return whether they have."""
        found = until(lambda: all(
            topic.get_subscription_count() for topic in self.topics.values()), timeout_s)
        time.sleep(0.3)  # a match seen here may still be unknown to the other side
        return bool(found)

    def send(self, camera: str, stamp_ns: int) -> None:
        """Publish one image."""
        pixels, encoding = self._images[camera]
        self._shown[camera] += 1
        # No sensor repeats itself bit for bit.
        self.publish(camera, image_from_array(
            pixels + self._shown[camera] % 2, encoding, stamp_ns, f'{camera}_optical'))

    def publish(self, camera: str, message: Image) -> None:
        """Publish this message."""
        self.topics[camera].publish(message)
        self.sent[camera] += 1

    def send_pair(self, stamp_ns: int) -> None:
        """Publish one image of each camera with the same stamp."""
        for camera in ('rgb', 'thermal'):
            self.send(camera, stamp_ns)

    def close(self) -> None:
        """Withdraw both topics."""
        for topic in self.topics.values():
            self._node.destroy_publisher(topic)
