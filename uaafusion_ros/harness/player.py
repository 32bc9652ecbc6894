"""A process that plays a bag's images and camera_info into DDS, at a rate of choice."""

from __future__ import annotations

import argparse
from collections import Counter
import json
from pathlib import Path
import signal
import sys
import time

import rclpy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image

from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import image_stamp_ns
from uaafusion_ros.evaluation.bags import list_topics
from uaafusion_ros.evaluation.bags import RawMessage
from uaafusion_ros.evaluation.bags import read_messages

_TYPES = {IMAGE: Image, CAMERA_INFO: CameraInfo}


class UnmatchedError(UaafusionError):
    """Nobody subscribed to the images in time."""


class Player:
    """
    Publishes a bag's messages byte for byte, with the QoS the bag says and the stamps it holds.

    `sent` has one (topic, stamp_ns, time_ns just before the publish call) per image.
    """

    def __init__(self, bag: Path, rate: float | None):
        topics = [topic for topic in list_topics(bag) if topic.type_name in _TYPES]
        self._images = [topic.name for topic in topics if topic.type_name == IMAGE]
        if not self._images:
            raise BagError(f'the bag {bag} holds no {IMAGE}; there is nothing to play')
        self._bag = bag
        self._speed = _speed(bag, self._images[0], rate)
        self._node = rclpy.create_node('player')
        self._publishers = {
            topic.name: self._node.create_publisher(
                _TYPES[topic.type_name], topic.name, _qos(topic.reliable))
            for topic in topics}
        self.sent: list[tuple[str, int, int]] = []

    def wait_for_subscribers(self, seconds: float) -> None:
        """Wait until every image topic has a subscriber; raises UnmatchedError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            alone = [
                name for name in self._images
                if not self._publishers[name].get_subscription_count()]
            if not alone:
                return
            if time.monotonic() > deadline:
                raise UnmatchedError(
                    f'no subscriber on {", ".join(alone)} after {seconds:g} s; start the node '
                    'first, with the same ROS_DOMAIN_ID and a QoS that takes these topics')
            time.sleep(0.05)

    def play(self) -> None:
        """Publish every message at its time."""
        begin = None
        for message in read_messages(self._bag):
            if message.type_name not in _TYPES:
                continue
            begin = begin or (time.monotonic(), message.log_time_ns)
            due = begin[0] + (message.log_time_ns - begin[1]) * 1e-9 / self._speed
            time.sleep(max(0.0, due - time.monotonic()))
            self._publish(message)

    def _publish(self, message: RawMessage) -> None:
        now_ns = time.time_ns()
        self._publishers[message.topic].publish(message.data)
        if message.type_name == IMAGE:
            self.sent.append((message.topic, image_stamp_ns(message.data), now_ns))

    def close(self) -> None:
        """Leave the network."""
        self._node.destroy_node()


def _speed(bag: Path, topic: str, rate: float | None) -> float:
    if rate is None:
        return 1.0
    times = [message.log_time_ns for message in read_messages(bag) if message.topic == topic]
    if len(times) < 2 or times[-1] == times[0]:
        return 1.0
    return rate * (times[-1] - times[0]) * 1e-9 / (len(times) - 1)


def _qos(reliable: bool) -> QoSProfile:
    policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=5, reliability=policy)


def main(arguments: list[str] | None = None) -> int:
    """Play a bag; print one JSON line with what was sent."""
    parser = argparse.ArgumentParser(prog='player', description=__doc__)
    parser.add_argument('bag', type=Path)
    parser.add_argument(
        '--rate', type=float, help='images per second and topic (default: as recorded)')
    parser.add_argument('--wait', type=float, default=30.0, help='longest wait for others, s')
    parser.add_argument('--log', type=Path, help='JSON file for [topic, stamp_ns, published_ns]')
    options = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    player = None
    code = 0
    try:
        player = Player(options.bag, options.rate)
        player.wait_for_subscribers(options.wait)
        player.play()
        # Best effort has no acknowledgement to wait for; leave the last image time to depart.
        time.sleep(0.5)
    except UaafusionError as error:
        print(error, file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    sent = player.sent if player else []
    if options.log:
        options.log.write_text(json.dumps(sent))
    print(json.dumps({'sent': Counter(topic for topic, _, _ in sent)}), flush=True)
    if player:
        player.close()
    rclpy.try_shutdown()
    return code


if __name__ == '__main__':
    sys.exit(main())
