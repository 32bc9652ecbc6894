"""What late listeners must know, too: the mode, and what the numbers in the mask mean."""

from __future__ import annotations

import json
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from std_msgs.msg import String

from uaafusion_ros.engine.contract import ModelSpec

try:  # not part of every ROS installation
    from vision_msgs.msg import LabelInfo
    from vision_msgs.msg import VisionClass
except ImportError:
    LabelInfo = VisionClass = None

INACTIVE = 'INACTIVE'
_LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.TRANSIENT_LOCAL)


class ModeTopic:
    """
    The mode as std_msgs/String on `~/mode`, latched.

    A plain string, because a behaviour tree or a shell can compare it without knowing more; the
    reason stands in /diagnostics. It exists as long as the node, so that it can say INACTIVE.
    """

    def __init__(self, node: Node) -> None:
        """Advertise it, and say INACTIVE."""
        self._publisher = node.create_publisher(String, '~/mode', _LATCHED)
        self.mode = ''
        self.say(INACTIVE)

    def say(self, mode: str) -> bool:
        """Publish a mode that differs from the last one; return whether it did."""
        if mode == self.mode:
            return False
        self.mode = mode
        self._publisher.publish(String(data=mode))
        return True


class LabelTopics:
    """
    The classes of the mask, latched: as JSON, and as vision_msgs/LabelInfo where that exists.

    segmentation/labels is a std_msgs/String: {"0": {"name": "background", "color": [r, g, b]}}.
    """

    def __init__(self, node: Node, spec: ModelSpec) -> None:
        """Advertise and publish the classes of a model."""
        self._node = node
        self._publishers: list[Publisher] = []
        self._publish(String, 'segmentation/labels', String(data=labels_json(spec)))
        if LabelInfo is not None:
            self._publish(LabelInfo, 'segmentation/label_info', label_info(spec))

    def _publish(self, kind: Any, topic: str, message: Any) -> None:
        self._publishers.append(self._node.create_publisher(kind, topic, _LATCHED))
        self._publishers[-1].publish(message)

    def destroy(self) -> None:
        """Withdraw the topics."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)


def labels_json(spec: ModelSpec) -> str:
    """Return class ids, names and colours of a model as JSON."""
    return json.dumps({
        number: {'name': name, 'color': [int(part) for part in spec.palette[number]]}
        for number, name in enumerate(spec.classes)})


def label_info(spec: ModelSpec) -> Any:
    """Return the classes of a model as vision_msgs/LabelInfo; every pixel has a class."""
    info = LabelInfo()
    info.class_map = [VisionClass(class_id=number, class_name=name)
                      for number, name in enumerate(spec.classes)]
    info.threshold = 0.0
    return info
