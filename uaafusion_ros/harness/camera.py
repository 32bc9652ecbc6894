"""
Simulated cameras: a thermal and an RGB one, or one of them, in a process of their own.

A frame is stamped when it is sent, or with `--stamp trigger` as if all cameras were triggered
together: frame k at k / rate seconds after 1970, so that two processes need no connection to make
pairs. An image that follows another differs from it. `scene` shows known places, `blocks` one hot
block whose place tells k, so that its age can be read from what is fused, `stills` the shipped
images.

Commands come from stdin, or for the first frame from --tell, as CAMERA and one of
run | silent | freeze (the last image again, with new stamps) | loss SHARE | late MS (stamps of the
past) | spoil KIND [N] (each Nth image). Each is answered with the number of the first frame that
it concerns. The process ends after --count frames, at SIGINT, or at the end of its input.

Its events are {"ready": true}, {"frame": k} for a command, and at the end {"rgb": images sent,
"thermal": images sent, "stamps": [ns, ...], "spent": [processor seconds of the process --watch
before each frame and at the end]}.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cache
import json
from queue import Empty
from queue import SimpleQueue
import random
import signal
import struct
import sys
from threading import Thread
import time
from typing import Any

import cv2
import numpy as np

from uaafusion_ros.harness.pictures import image_pairs
from uaafusion_ros.harness.processes import Process

CAMERAS = ('thermal', 'rgb')
SPOILS = ('encoding', 'short', 'long', 'zero', 'step', 'huge')
# Counts of a 16-bit thermal camera: room temperature in centikelvin, 0.02 K per gray level.
_COUNTS_FROM, _COUNTS_PER_LEVEL = 29_000, 2
_MATCHED_S = 0.3  # a match seen here may still be unknown to the other side
_LEAVE_S = 0.5    # so that the middleware hands over the last images
_NS = 10 ** 9


def spoil(message: Any, kind: str) -> None:
    """Give an Image or CompressedImage one defect, of SPOILS."""
    if kind == 'encoding':
        message.encoding = 'jpeg2000'
    elif kind == 'short':
        message.data = message.data[:len(message.data) // 2]
    elif kind == 'long':
        message.data = message.data + message.data[:7]
    elif kind == 'zero':
        message.width = message.height = message.step = 0
        message.data = message.data[:0]
    elif kind == 'step':
        message.step //= 2
    elif kind == 'huge':
        message.width = message.height = 2 ** 31


def stamped(data: bytes, stamp_ns: int) -> bytes:
    """Return a serialised message that begins with a header, with this stamp."""
    changed = bytearray(data)
    struct.pack_into('<iI' if data[1] & 1 else '>iI', changed, 4, *divmod(stamp_ns, _NS))
    return bytes(changed)


def processor_s(pid: int) -> float:
    """Return the processor time of another process so far, all threads, in seconds."""
    # The clock id that clock_getcpuclockid(3) gives on Linux.
    return time.clock_gettime(~pid << 3 | 2)


class Cameras(Process):
    """The cameras as a child process; arguments are those of this module."""

    def __init__(self, *arguments: Any, environment: Mapping[str, str] | None = None) -> None:
        """Start; they wait for a subscriber to each image and then publish at once."""
        super().__init__(['-m', 'uaafusion_ros.harness.camera', *map(str, arguments)], environment)

    def tell(self, camera: str, command: str) -> int:
        """Send a command; return the number of the first frame that it concerns."""
        return self.ask(f'{camera} {command}', 'frame')


class _Camera:
    """One camera: its publishers, its images as they are sent, and its faults."""

    def __init__(self, node: Any, name: str, options: argparse.Namespace) -> None:
        from rclpy.qos import QoSProfile
        from rclpy.qos import ReliabilityPolicy
        from sensor_msgs.msg import CameraInfo
        from sensor_msgs.msg import CompressedImage
        from sensor_msgs.msg import Image
        self._name, self._options = name, options
        self._frame_id = options.frame if name == 'rgb' else 'thermal_optical'
        size = options.thermal_size if name == 'thermal' else None
        self._size = tuple(size or options.size)
        self._images = [pair[name == 'rgb'] for pair in image_pairs(options.pictures, *self._size)]
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE if options.reliable
                         else ReliabilityPolicy.BEST_EFFORT)
        kind, suffix = ((CompressedImage, '/compressed') if options.compress else (Image, ''))
        self._publisher = node.create_publisher(kind, f'{name}/image_raw{suffix}', qos)
        self._info = node.create_publisher(
            CameraInfo, f'{name}/camera_info', qos) if options.info else None
        self._random = random.Random(name)
        self._state, self._argument, self._every = 'run', '', 1
        self._shown = 0
        self.sent = 0
        self._data = cache(self._made)
        for number in range(len(self._images)):
            self._data(number, '')

    @property
    def matched(self) -> bool:
        """Whether somebody subscribes to the images."""
        return bool(self._publisher.get_subscription_count())

    def obey(self, state: str, argument: str = '', every: str = '1') -> None:
        """Take a command of the module's text."""
        self._state, self._argument, self._every = state, argument, int(every)

    def take(self, number: int, turn: int, stamp_ns: int) -> None:
        """Publish frame `number`, the `turn`th of this run, or what the faults make of it."""
        if self._state == 'silent' or (
                self._state == 'loss' and self._random.random() < float(self._argument)):
            return
        if self._state != 'freeze':
            self._shown = number % len(self._images)
        fault = self._argument if self._state == 'spoil' and turn % self._every == 0 else ''
        if self._state == 'late':
            stamp_ns -= round(float(self._argument) * 1e6)
        self._publisher.publish(stamped(self._data(self._shown, fault), stamp_ns))
        if self._info:
            self._info.publish(self._calibration(stamp_ns))
        self.sent += 1

    def _made(self, number: int, fault: str) -> bytes:
        """Return an image as a serialised message."""
        from rclpy.serialization import serialize_message

        from uaafusion_ros.nodes.messages import image_from_array
        pixels = self._images[number]
        encoding = getattr(self._options, f'{self._name}_encoding')
        if encoding == 'mono16':
            pixels = _COUNTS_FROM + _COUNTS_PER_LEVEL * pixels.astype(np.uint16)
        if encoding == 'bgr8':
            pixels = np.ascontiguousarray(pixels[..., ::-1])
        message = image_from_array(pixels, encoding, 0, self._frame_id)
        if self._options.padding:
            rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
            message.data = np.pad(rows, ((0, 0), (0, self._options.padding)),
                                  constant_values=0xAA).tobytes()
            message.step += self._options.padding
        if self._options.compress:
            message = self._packed(message.header, encoding, pixels)
        spoil(message, fault)
        return serialize_message(message)

    def _packed(self, header: Any, encoding: str, pixels: np.ndarray) -> Any:
        """Return what image_transport's compressed plugin would publish; thermal is PNG."""
        from sensor_msgs.msg import CompressedImage
        container = 'png' if self._name == 'thermal' else self._options.compress
        bgr = pixels[..., ::-1] if encoding == 'rgb8' else pixels
        inside = 'bgr8' if self._name == 'rgb' else ''
        return CompressedImage(
            header=header, format=f'{encoding}; {container} compressed {inside}',
            data=cv2.imencode(f'.{container}', bgr)[1].tobytes())

    def _calibration(self, stamp_ns: int) -> Any:
        from sensor_msgs.msg import CameraInfo

        from uaafusion_ros.nodes.messages import stamp_from_ns
        info = CameraInfo(width=self._size[0], height=self._size[1])
        info.header.stamp, info.header.frame_id = stamp_from_ns(stamp_ns), self._frame_id
        info.k[0] = 123.0
        return info


def _commands() -> SimpleQueue[str]:
    """Return a queue of the lines of stdin and, after them, an empty line."""
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line.strip())
        lines.put('')

    Thread(target=read, daemon=True).start()
    return lines


def _waiting(lines: SimpleQueue[str]) -> Iterator[str]:
    while True:
        try:
            yield lines.get_nowait()
        except Empty:
            return


def run(node: Any, options: argparse.Namespace, stopped: list) -> dict[str, Any]:
    """Publish until done, asked to stop or without input; return the last event."""
    cameras = {name: _Camera(node, name, options) for name in options.cameras}
    commands = _commands()
    for command in options.tell:
        name, *rest = command.split()
        cameras[name].obey(*rest)
    deadline = time.monotonic() + options.wait
    while time.monotonic() < deadline and not stopped and not all(
            camera.matched for camera in cameras.values()):
        time.sleep(0.02)
    time.sleep(_MATCHED_S)
    print(json.dumps({'ready': True}), flush=True)
    stamps: list[int] = []
    spent: list[float] = []
    clock = time.time if options.stamp == 'trigger' else time.monotonic
    number = int(clock() * options.rate) + 1
    while not stopped and len(stamps) != options.count:
        time.sleep(max(0.0, number / options.rate - clock()))
        for command in _waiting(commands):
            if not command:
                stopped.append(True)
                break
            name, *rest = command.split()
            cameras[name].obey(*rest)
            print(json.dumps({'frame': number}), flush=True)
        if stopped:
            break
        if options.watch:
            spent.append(processor_s(options.watch))
        stamp_ns = (round(number / options.rate * _NS) if options.stamp == 'trigger'
                    else time.time_ns())
        for camera in cameras.values():
            camera.take(number, len(stamps), stamp_ns)
        stamps.append(stamp_ns)
        number = max(number + 1, int(clock() * options.rate))
    time.sleep(max(0.0, number / options.rate - clock()))
    if options.watch:
        spent.append(processor_s(options.watch))
        stamps.append(time.time_ns())
    time.sleep(_LEAVE_S)
    return {**{name: camera.sent for name, camera in cameras.items()}, 'stamps': stamps,
            'spent': spent}


def main() -> int:
    """Be the cameras."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--cameras', nargs='+', choices=CAMERAS, default=('rgb', 'thermal'))
    add('--pictures', choices=('scene', 'blocks', 'stills'), default='scene')
    add('--namespace', default='')
    add('--count', type=int, default=-1, help='frames to send')
    add('--rate', type=float, default=10.0)
    add('--size', type=int, nargs=2, default=(160, 120), metavar=('W', 'H'))
    add('--thermal-size', type=int, nargs=2, help='that of RGB where not given')
    add('--thermal-encoding', choices=('mono8', 'mono16'), default='mono8')
    add('--rgb-encoding', choices=('rgb8', 'bgr8'), default='rgb8')
    add('--compress', choices=('jpeg', 'png'), help='publish <topic>/compressed')
    add('--padding', type=int, default=0, help='bytes after each row')
    add('--reliable', action='store_true')
    add('--info', action='store_true', help='publish camera_info, too')
    add('--frame', default='rgb_optical', help='frame_id of the RGB camera')
    add('--stamp', choices=('send', 'trigger'), default='send')
    add('--wait', type=float, default=10.0, help='s to wait for subscribers')
    add('--tell', action='append', default=[], metavar='COMMAND')
    add('--watch', type=int, default=0, metavar='PID')
    options = parser.parse_args()

    import rclpy
    from rclpy.signals import SignalHandlerOptions
    stopped: list[bool] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('camera', namespace=options.namespace)
    last = run(node, options, stopped)
    # Left in order: a participant left to the interpreter's end can hang.
    node.destroy_node()
    rclpy.try_shutdown()
    print(json.dumps(last), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
