"""
A process that hears what fusion nodes publish, says what came, and records it to a bag.

Each event is one JSON line on stdout: {"ready": namespace} when the outputs of a node have
publishers; {"image": topic, "stamp": ns, "arrived": time_ns} per image; {"values": {...}, "of":
namespace, "at": time_ns} with all that a node last reported in its diagnostics; {"problem": text}
when they hold an error. Subscribing makes a node compute: it is not asked for what is not named.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
import json
from pathlib import Path
import signal
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
import rclpy
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import image_stamp_ns
from uaafusion_ros.evaluation.bags import RELIABLE_QOS
from uaafusion_ros.harness.topics import DIAGNOSTICS_TOPIC
from uaafusion_ros.harness.topics import FUSED_TOPIC
from uaafusion_ros.harness.topics import MASK_TOPIC
from uaafusion_ros.harness.topics import NODE
from uaafusion_ros.harness.topics import OVERLAY_TOPIC
from uaafusion_ros.nodes.diagnostics import read

_QOS = QoSProfile(depth=50)  # reliable; deep enough for the seconds that a disk may stall


class Recorder:
    """Writes messages as they came over the wire, logged at the time of their arrival."""

    def __init__(self, bag: BagWriter | None, namespaces: list[str], topics: list[str]) -> None:
        self._bag = bag
        self._node = rclpy.create_node('recorder')
        self._waiting = {namespace: [namespace + topic for topic in topics]
                         for namespace in namespaces}
        self._namespaces = namespaces
        for name in sum(self._waiting.values(), []):
            self._node.create_subscription(
                Image, name, lambda data, name=name: self._take_image(name, data), _QOS, raw=True)
        self._node.create_subscription(
            DiagnosticArray, DIAGNOSTICS_TOPIC, self._take_diagnostics, _QOS, raw=True)

    def spin_once(self) -> None:
        """Wait a moment for a message and take it."""
        rclpy.spin_once(self._node, timeout_sec=0.1)
        for namespace, topics in list(self._waiting.items()):
            if all(map(self._node.count_publishers, topics)):
                del self._waiting[namespace]
                _tell({'ready': namespace})

    def _take_image(self, topic: str, data: bytes) -> None:
        arrived_ns = time.time_ns()
        self._write(topic, IMAGE, arrived_ns, data)
        _tell({'image': topic, 'stamp': image_stamp_ns(data), 'arrived': arrived_ns})

    def _take_diagnostics(self, data: bytes) -> None:
        at_ns = time.time_ns()
        self._write(DIAGNOSTICS_TOPIC, 'diagnostic_msgs/msg/DiagnosticArray', at_ns, data)
        report = deserialize_message(data, DiagnosticArray)
        for namespace in self._namespaces:
            values = read(report, namespace + NODE)
            if values:
                _tell({'values': values, 'of': namespace, 'at': at_ns})
            for status in report.status:
                if (status.level == DiagnosticStatus.ERROR
                        and status.name.startswith(namespace + NODE)):
                    _tell({'problem': status.message})

    def _write(self, topic: str, type_name: str, at_ns: int, data: bytes) -> None:
        if self._bag:
            self._bag.add_serialized(topic, type_name, at_ns, data)

    def close(self) -> None:
        """Leave the network."""
        self._node.destroy_node()


def _tell(event: dict) -> None:
    print(json.dumps(event), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog='recorder', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--bag', type=Path)
    parser.add_argument('--namespaces', nargs='+', default=[''], help='such as /left')
    parser.add_argument('--topics', nargs='+', default=[FUSED_TOPIC, MASK_TOPIC, OVERLAY_TOPIC])
    options = parser.parse_args(arguments)

    # A flag instead of KeyboardInterrupt, which could tear a message that is being written.
    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    code = 0
    try:
        with ExitStack() as stack:
            bag = (stack.enter_context(BagWriter(options.bag, RELIABLE_QOS)) if options.bag
                   else None)
            recorder = Recorder(bag, options.namespaces, options.topics)
            while not stopped:
                recorder.spin_once()
            recorder.close()
    except UaafusionError as error:
        print(error, file=sys.stderr)
        code = 2
    rclpy.try_shutdown()
    return code


if __name__ == '__main__':
    sys.exit(main())
