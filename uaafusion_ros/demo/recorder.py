"""A process that records the fusion node's outputs to a bag and reports each arrival."""

from __future__ import annotations

import argparse
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

from uaafusion_ros.demo.topics import DIAGNOSTICS_TOPIC
from uaafusion_ros.demo.topics import FUSED_TOPIC
from uaafusion_ros.demo.topics import MASK_TOPIC
from uaafusion_ros.demo.topics import NODE
from uaafusion_ros.demo.topics import OVERLAY_TOPIC
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import image_stamp_ns
from uaafusion_ros.evaluation.bags import RELIABLE_QOS
from uaafusion_ros.nodes.diagnostics import read

_QOS = QoSProfile(depth=50)  # reliable; deep enough for the seconds that a disk may stall


class Recorder:
    """
    Writes messages as they came over the wire, logged at the time of their arrival.

    Every event is one JSON line on stdout: {"ready": true} when all outputs have a publisher,
    {"fused": stamp_ns, "arrived": time_ns} per fused image, {"counts": {...}} with all that the
    node last said in its diagnostics, {"problem": text} when they hold an error.
    """

    def __init__(self, bag: BagWriter):
        self._bag = bag
        self._ready = False
        self._node = rclpy.create_node('recorder')
        for topic in (FUSED_TOPIC, MASK_TOPIC, OVERLAY_TOPIC):
            self._node.create_subscription(
                Image, topic, lambda data, topic=topic: self._take_image(topic, data), _QOS,
                raw=True)
        self._node.create_subscription(
            DiagnosticArray, DIAGNOSTICS_TOPIC, self._take_diagnostics, _QOS, raw=True)

    def spin_once(self) -> None:
        """Wait a moment for a message and take it."""
        rclpy.spin_once(self._node, timeout_sec=0.1)
        if not self._ready and all(
                self._node.count_publishers(topic)
                for topic in (FUSED_TOPIC, MASK_TOPIC, OVERLAY_TOPIC, DIAGNOSTICS_TOPIC)):
            self._ready = True
            _tell({'ready': True})

    def _take_image(self, topic: str, data: bytes) -> None:
        arrived_ns = time.time_ns()
        self._bag.add_serialized(topic, IMAGE, arrived_ns, data)
        if topic == FUSED_TOPIC:
            _tell({'fused': image_stamp_ns(data), 'arrived': arrived_ns})

    def _take_diagnostics(self, data: bytes) -> None:
        self._bag.add_serialized(
            DIAGNOSTICS_TOPIC, 'diagnostic_msgs/msg/DiagnosticArray', time.time_ns(), data)
        report = deserialize_message(data, DiagnosticArray)
        counts = read(report, NODE)
        if counts:
            _tell({'counts': counts})
        for status in report.status:
            if status.level == DiagnosticStatus.ERROR and status.name.startswith(NODE):
                _tell({'problem': status.message})

    def close(self) -> None:
        """Leave the network."""
        self._node.destroy_node()


def _tell(event: dict) -> None:
    print(json.dumps(event), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog='recorder', description=__doc__)
    parser.add_argument('bag', type=Path)
    options = parser.parse_args(arguments)

    # A flag instead of KeyboardInterrupt, which could tear a message that is being written.
    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    code = 0
    try:
        with BagWriter(options.bag, RELIABLE_QOS) as bag:
            recorder = Recorder(bag)
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
