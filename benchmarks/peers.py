"""
The processes around a node under test: a pair of cameras, and a listener to its outputs.

    python -m peers cameras --rate HZ --seconds S --size W H [--namespace /left] [--watch PID] LOG
    python -m peers listener [NAMESPACE ...]

The cameras show the shipped stills through a moving window, stamped when they are sent, first RGB
and at once thermal. LOG gets one [stamp_ns, processor seconds of PID so far] per pair and one for
the end, so that two successive entries tell what the pair between them has cost.

The listener prints one JSON line per event: {"ready": namespace} when a node offers its outputs,
{"out": [namespace, stamp_ns, arrived_ns]} when fused image and mask of a pair have both come,
{"counts": {...}, "of": namespace, "at": time_ns} with what a node says of itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import itertools
import json
from pathlib import Path
import signal
import struct
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from uaafusion_ros.demo.scene import frames
from uaafusion_ros.demo.source import load_stills
from uaafusion_ros.evaluation.bags import image_stamp_ns
from uaafusion_ros.nodes.diagnostics import read
from uaafusion_ros.nodes.messages import image_from_array

# The overlay is for people to look at; a node need not make it while nobody listens.
OUTPUTS = ('fused/image', 'segmentation/mask')
PER_STILL = 4
WAIT_S = 60.0
SETTLE_S = 0.5
# Counts of a 16-bit thermal camera: room temperature in centikelvin, 0.02 K per gray level.
COUNTS_FROM, COUNTS_PER_LEVEL = 29_000, 2


def pictures(size: tuple[int, int], thermal: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rgb uint8 HxWx3 and thermal, uint8 or uint16 HxW for 'mono8' or 'mono16'."""
    made = []
    for still in load_stills():
        for heat, rgb in frames(still, PER_STILL, size):
            if thermal == 'mono16':
                heat = COUNTS_FROM + COUNTS_PER_LEVEL * heat.astype(np.uint16)
            made.append((rgb, heat))
    return made


def stamped(data: bytearray, stamp_ns: int) -> bytes:
    """Return a serialised message that begins with a header, with this stamp."""
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    struct.pack_into('<iI' if data[1] & 1 else '>iI', data, 4, sec, nanosec)
    return bytes(data)


def processor_s(pid: int) -> float:
    """Return the processor time of another process so far, all threads, in seconds."""
    # The clock id that clock_getcpuclockid(3) gives on Linux.
    return time.clock_gettime(~pid << 3 | 2)


class Cameras:
    """Two publishers and the images they send in turn, serialised beforehand."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Reliable, so that subscribers of either kind hear them."""
        self._node = rclpy.create_node('cameras', namespace=options.namespace)
        self._publishers = [
            self._node.create_publisher(Image, f'{camera}/image_raw', QoSProfile(depth=10))
            for camera in ('rgb', 'thermal')]
        self._images: Iterator[tuple[bytearray, ...]] = itertools.cycle([
            tuple(bytearray(serialize_message(image_from_array(image, encoding, 0, camera)))
                  for image, encoding, camera in zip(
                      shown, ('rgb8', options.thermal), ('rgb', 'thermal')))
            for shown in pictures(tuple(options.size), options.thermal)])
        self._watched = options.watch
        self.log: list[tuple[int, float]] = []

    def matched(self, timeout_s: float) -> bool:
        """Wait until both images have a subscriber; return whether they have."""
        deadline = time.monotonic() + timeout_s
        while not all(topic.get_subscription_count() for topic in self._publishers):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def play(self, rate: float, seconds: float) -> None:
        """Send pairs at this rate."""
        began = time.monotonic()
        for number in range(max(2, round(rate * seconds))):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            spent, stamp_ns = self._spent(), time.time_ns()
            self.log.append((stamp_ns, spent))
            for topic, data in zip(self._publishers, next(self._images)):
                topic.publish(stamped(data, stamp_ns))
        time.sleep(1 / rate)
        self.log.append((time.time_ns(), self._spent()))
        time.sleep(SETTLE_S)

    def _spent(self) -> float:
        return processor_s(self._watched) if self._watched else 0.0


class Listener:
    """Hears the outputs of nodes as bytes and says what came."""

    def __init__(self, namespaces: list[str]) -> None:
        """Subscribe to fused image, mask and diagnostics."""
        self._node = rclpy.create_node('listener')
        self._waiting = set(namespaces)
        self._half: dict[tuple[str, int], str] = {}
        for namespace in namespaces:
            for topic in OUTPUTS:
                self._node.create_subscription(
                    Image, f'{namespace}/{topic}',
                    lambda data, at=(namespace, topic): self._take(*at, data),
                    QoSProfile(depth=20), raw=True)
        self._node.create_subscription(
            DiagnosticArray, '/diagnostics',
            lambda data: self._take_report(namespaces, data), QoSProfile(depth=20), raw=True)

    def spin_once(self) -> None:
        """Wait a moment for a message and take it."""
        rclpy.spin_once(self._node, timeout_sec=0.1)
        for namespace in list(self._waiting):
            if all(self._node.count_publishers(f'{namespace}/{topic}') for topic in OUTPUTS):
                self._waiting.remove(namespace)
                _tell({'ready': namespace})

    def _take(self, namespace: str, topic: str, data: bytes) -> None:
        key = (namespace, image_stamp_ns(data))
        if self._half.pop(key, topic) == topic:
            self._half[key] = topic
        else:
            _tell({'out': [*key, time.time_ns()]})

    def _take_report(self, namespaces: list[str], data: bytes) -> None:
        report = deserialize_message(data, DiagnosticArray)
        for namespace in namespaces:
            counts = read(report, f'{namespace}/fusion_node')
            if counts:
                _tell({'counts': {key: int(value) for key, value in counts.items()
                                  if value.isdigit()}, 'of': namespace, 'at': time.time_ns()})


def _tell(event: dict) -> None:
    print(json.dumps(event), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Be the cameras for some seconds, or the listener until SIGINT."""
    parser = argparse.ArgumentParser(prog='peers')
    roles = parser.add_subparsers(dest='role', required=True)
    cameras = roles.add_parser('cameras')
    cameras.add_argument('log', type=Path)
    cameras.add_argument('--rate', type=float, required=True)
    cameras.add_argument('--seconds', type=float, required=True)
    cameras.add_argument('--size', type=int, nargs=2, required=True, metavar=('W', 'H'))
    cameras.add_argument('--thermal', choices=('mono8', 'mono16'), default='mono16')
    cameras.add_argument('--namespace', default='')
    cameras.add_argument('--watch', type=int, default=0, metavar='PID')
    roles.add_parser('listener').add_argument('namespaces', nargs='*', default=[''])
    options = parser.parse_args(arguments)

    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    code = 0
    if options.role == 'listener':
        listener = Listener(options.namespaces)
        while not stopped:
            listener.spin_once()
    else:
        sender = Cameras(options)
        if sender.matched(WAIT_S):
            sender.play(options.rate, options.seconds)
            options.log.write_text(json.dumps(sender.log))
        else:
            print(f'no subscriber after {WAIT_S:g} s', file=sys.stderr)
            code = 2
    rclpy.try_shutdown()
    return code


if __name__ == '__main__':
    sys.exit(main())
