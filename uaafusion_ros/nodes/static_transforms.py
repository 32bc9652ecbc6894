"""The static transforms of a robot, for the cameras' places."""

from __future__ import annotations

from collections.abc import Callable
import os
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy

from uaafusion_ros.errors import DependencyError

TOPIC = '/tf_static'
_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE,
                  durability=DurabilityPolicy.TRANSIENT_LOCAL)


def message_type() -> Any:
    """Return tf2_msgs/TFMessage; raises DependencyError where it is not installed."""
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        distro = os.environ.get('ROS_DISTRO', '<distro>')
        raise DependencyError(
            'registration.rgb_frame and registration.thermal_frame need the ROS 2 package '
            f'tf2_msgs, which is not installed; install ros-{distro}-tf2-msgs, or leave them '
            'empty and set registration.translation_m and registration.rotation') from None
    return TFMessage


def subscribe(node: Node, transforms: dict[str, Any], changed: Callable[[], None]) -> Any:
    """
    Keep the newest transforms by child frame in `transforms`; call `changed()` after each news.

    Returns the subscription. Raises DependencyError.
    """

    def take(message: Any) -> None:
        news = {each.child_frame_id: each for each in message.transforms}
        if any(transforms.get(child) != each for child, each in news.items()):
            transforms.update(news)
            changed()

    return node.create_subscription(message_type(), TOPIC, take, _QOS)
