"""
One camera of a pair in a process of its own, with faults on command.

Both cameras stamp as if triggered together: frame k is stamped k / rate seconds after 1970, so
that two processes need no connection to make pairs. No two images are the same. The thermal
image shows one hot block whose place tells k, so that its age can be read from what is fused.

The process reads commands from stdin, one per line, until `end` or the end of the input:
run | silent | freeze (the last image again, with new stamps) | loss SHARE | spoil KIND [SHARE]
| late MS (stamps of the past). It answers each with a JSON line that names the first frame it
concerns, and says at its end how many it has sent.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
from pathlib import Path
from queue import Empty
from queue import SimpleQueue
import random
import signal
import subprocess
import sys
from threading import Thread
import time

import numpy as np

CAMERAS = ('thermal', 'rgb')
SPOILS = ('encoding', 'short', 'long', 'zero', 'step', 'huge')
COLUMNS, ROWS = 8, 4
SLOTS = COLUMNS * ROWS
HOT, COLD, GRAY = 235, 40, 90
_MS = 10 ** 6
_NS = 10 ** 9


def block(number: int, width: int, height: int) -> tuple[slice, slice]:
    """Return rows and columns of the hot block of frame `number`."""
    row, column = divmod(number % SLOTS, COLUMNS)
    return (slice(row * height // ROWS, (row + 1) * height // ROWS),
            slice(column * width // COLUMNS, (column + 1) * width // COLUMNS))


def picture(camera: str, number: int, width: int, height: int) -> np.ndarray:
    """Return frame `number`: thermal uint8 HxW with its block, RGB uint8 HxWx3 even gray."""
    noise = np.random.default_rng(number).integers(0, 6, (height, width), np.uint8)
    if camera == 'thermal':
        image = COLD + noise
        image[block(number, width, height)] += np.uint8(HOT - COLD)
        return image
    return np.repeat((GRAY + noise)[..., None], 3, 2)


def hot_slot(fused: np.ndarray, least_contrast: float = 20.0) -> int | None:
    """Return the slot, 0 to 31, whose block is hottest in a fused uint8 HxWx3; None if none is."""
    luma = fused.astype(np.float32).mean(2)
    height, width = luma.shape
    means = np.array([luma[block(slot, width, height)].mean() for slot in range(SLOTS)])
    best = int(means.argmax())
    return best if means[best] - np.median(means) >= least_contrast else None


class Camera:
    """The parent's side: start the process, tell it what to do, end it."""

    def __init__(self, camera: str, *, rate: float, size: tuple[int, int], namespace: str = '',
                 environment: Mapping[str, str] | None = None) -> None:
        """Start the process; it waits for a subscriber and then publishes at once."""
        self.camera = camera
        self._child = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), camera, '--rate', str(rate), '--size',
             *map(str, size), '--namespace', namespace],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answers: SimpleQueue[dict] = SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._child.stdout:
            if line.startswith('{'):
                self._answers.put(json.loads(line))

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child.poll() is None

    def tell(self, command: str, timeout_s: float = 10.0) -> int:
        """Send a command; return the number of the first frame that it concerns."""
        self._child.stdin.write(command + '\n')
        self._child.stdin.flush()
        return self._answers.get(timeout=timeout_s)['frame']

    def end(self, timeout_s: float = 10.0) -> dict[str, int]:
        """End the process and return the counts it sent, nothing if it had to be killed."""
        try:
            self._child.stdin.close()
            self._child.wait(timeout_s)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.kill()
        self._reader.join()
        return {} if self._answers.empty() else self._answers.get()

    def kill(self) -> None:
        """End the process without giving it a chance."""
        self._child.send_signal(signal.SIGKILL)
        self._child.wait()


def _spoil(message, kind: str) -> None:
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


class _Sender:
    """The child's side: make and publish frame after frame as it is told."""

    def __init__(self, options: argparse.Namespace) -> None:
        import rclpy
        from rclpy.qos import QoSProfile
        from rclpy.qos import ReliabilityPolicy
        from rclpy.signals import SignalHandlerOptions
        from sensor_msgs.msg import Image
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self._options = options
        self._node = rclpy.create_node(f'{options.camera}_camera', namespace=options.namespace)
        self._publisher = self._node.create_publisher(
            Image, f'{options.camera}/image_raw',
            QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT))
        self._random = random.Random(options.camera)
        self._last: np.ndarray | None = None
        self._state, self._share, self._kind, self._late_ns = 'run', 1.0, '', 0
        self.counts = {'sent': 0, 'spoilt': 0, 'withheld': 0}

    def obey(self, command: str) -> None:
        """Take a command of the module's text."""
        state, *rest = command.split()
        self._state, self._share, self._late_ns = state, 1.0, 0
        if state == 'spoil':
            self._kind = rest.pop(0)
        if state == 'late':
            self._late_ns = round(float(rest.pop()) * _MS)
        if rest:
            self._share = float(rest[0])

    def wait(self, seconds: float) -> None:
        """Wait until somebody subscribes, or the time is up."""
        end = time.monotonic() + seconds
        while not self._publisher.get_subscription_count() and time.monotonic() < end:
            time.sleep(0.02)

    def frame(self, number: int) -> None:
        """Publish frame `number`, or what the faults make of it."""
        from uaafusion_ros.nodes.messages import image_from_array
        hit = self._random.random() < self._share
        if self._state == 'silent' or (self._state == 'loss' and hit):
            self.counts['withheld'] += 1
            return
        camera, (width, height) = self._options.camera, self._options.size
        if self._state != 'freeze' or self._last is None:
            self._last = picture(camera, number, width, height)
        message = image_from_array(
            self._last, 'mono8' if camera == 'thermal' else 'rgb8',
            round(number / self._options.rate * _NS) - self._late_ns, f'{camera}_optical')
        if self._state == 'spoil' and hit:
            _spoil(message, self._kind)
            self.counts['spoilt'] += 1
        self._publisher.publish(message)
        self.counts['sent'] += 1

    def close(self) -> None:
        """Leave the network in order; a participant left to the interpreter's end can hang."""
        import rclpy
        self._node.destroy_node()
        rclpy.try_shutdown()


def main() -> int:
    """Publish at the times of the common trigger until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('camera', choices=CAMERAS)
    parser.add_argument('--rate', type=float, default=30.0)
    parser.add_argument('--size', type=int, nargs=2, default=(64, 48))
    parser.add_argument('--namespace', default='')
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it, in its own order
    commands: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            commands.put(line.strip())
        commands.put('end')

    sender = _Sender(options)
    Thread(target=read, daemon=True).start()
    sender.wait(10.0)
    number = int(time.time() * options.rate) + 1
    while True:
        time.sleep(max(0.0, number / options.rate - time.time()))
        try:
            while (command := commands.get_nowait()) != 'end':
                sender.obey(command)
                print(json.dumps({'frame': number}), flush=True)
            break
        except Empty:
            sender.frame(number)
        number = max(number + 1, int(time.time() * options.rate))
    sender.close()
    print(json.dumps(sender.counts), flush=True)
    return 0


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
