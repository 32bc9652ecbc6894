"""
A fusion node written the usual way, to compare with.

Conversion as cv_bridge does it, pairing as message_filters does it, reliable subscriptions of
depth 10, pre- and postprocessing with OpenCV in float32, and inference in the callback; nothing is
made slow on purpose. The engine `constant` returns the same image and mask each time, `torch` is
`fast` in eager mode with fresh weights, which cost what trained ones cost.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
import signal
import sys

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

QUEUE, SLOP_NS = 10, 50_000_000
WARM_UP = 3
_LAYOUTS = {'rgb8': (np.uint8, 3), 'bgr8': (np.uint8, 3), 'mono8': (np.uint8, 1),
            'mono16': (np.uint16, 1)}
# thermal and luma float32 1x1xHxW in [0, 1], chroma 1x2xHxW, to luma float32 and mask int64, HxW
Engine = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def to_array(message: Image, encoding: str) -> np.ndarray:
    """Return the pixels of a message as `encoding`, as cv_bridge's imgmsg_to_cv2 does."""
    dtype, channels = _LAYOUTS[message.encoding]
    shape = (message.height, message.width, channels)[:2 + (channels > 1)]
    array = np.frombuffer(message.data, dtype).reshape(shape)
    return (cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
            if (message.encoding, encoding) == ('rgb8', 'bgr8') else array)


def to_message(array: np.ndarray, encoding: str, header) -> Image:
    """Return the message of an array, as cv_bridge's cv2_to_imgmsg does."""
    message = Image(header=header, height=array.shape[0], width=array.shape[1],
                    encoding=encoding, is_bigendian=0)
    message.data.frombytes(array.tobytes())
    message.step = len(message.data) // message.height
    return message


class ApproximateTime:
    """
    Pairs two topics as message_filters.ApproximateTimeSynchronizer does in Python.

    Each new message is joined with the nearest one of the other topic within the slop; both
    leave their queues then. A full queue forgets its oldest.
    """

    def __init__(self, queue_size: int, slop_ns: int, call: Callable[..., None]) -> None:
        self._queues: tuple[dict[int, Image], ...] = ({}, {})
        self._size, self._slop_ns, self._call = queue_size, slop_ns, call

    def add(self, topic: int, message: Image) -> None:
        own, other = self._queues[topic], self._queues[1 - topic]
        stamp = message.header.stamp.sec * 10 ** 9 + message.header.stamp.nanosec
        own[stamp] = message
        while len(own) > self._size:
            del own[min(own)]
        near = sorted((abs(each - stamp), each) for each in other
                      if abs(each - stamp) < self._slop_ns)
        if near:
            pair = (own.pop(stamp), other.pop(near[0][1]))
            self._call(*(pair if topic == 0 else pair[::-1]))


class PlainNode(Node):
    def __init__(self, engine: Engine) -> None:
        super().__init__('plain_node')
        self._engine = engine
        profile = QoSProfile(depth=10)
        self._fused = self.create_publisher(Image, 'fused/image', profile)
        self._mask = self.create_publisher(Image, 'segmentation/mask', profile)
        pairing = ApproximateTime(QUEUE, SLOP_NS, self._fuse)
        for number, camera in enumerate(('rgb', 'thermal')):
            self.create_subscription(
                Image, f'{camera}/image_raw',
                lambda message, number=number: pairing.add(number, message), profile)

    def _fuse(self, rgb: Image, thermal: Image) -> None:
        colour = to_array(rgb, 'bgr8')
        heat = to_array(thermal, thermal.encoding)
        if heat.dtype != np.uint8:
            heat = cv2.normalize(heat, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
        if heat.shape != colour.shape[:2]:
            heat = cv2.resize(heat, colour.shape[1::-1])
        luma, *chroma = cv2.split(cv2.cvtColor(colour, cv2.COLOR_BGR2YCrCb))
        planes = [plane.astype(np.float32) / 255 for plane in (heat, luma, *chroma)]
        fused, mask = self._engine(planes[0][None, None], planes[1][None, None],
                                   np.stack(planes[2:])[None])
        fused = (np.clip(fused, 0, 1) * 255).astype(np.uint8)
        image = cv2.cvtColor(cv2.merge((fused, *chroma)), cv2.COLOR_YCrCb2BGR)
        self._fused.publish(to_message(image, 'bgr8', rgb.header))
        self._mask.publish(to_message(mask.astype(np.uint8), 'mono8', rgb.header))


def constant_engine() -> Engine:
    @cache
    def made(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        ramp = np.tile(np.arange(width) % 256, (height, 1))
        return (ramp / 255).astype(np.float32), (ramp // 100).astype(np.int64)

    return lambda thermal, luma, chroma: made(*luma.shape[2:])


def torch_engine(threads: int) -> Engine:
    """Return `fast` in PyTorch, called as a training script would do it."""
    import torch
    import torch.nn.functional as F

    from uaafusion_ros.engine.torch_backend import make_network
    from uaafusion_ros.network.presets import preset
    torch.set_num_threads(threads)
    network = make_network(preset('fast')).eval()

    def infer(*planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            tensors = [torch.from_numpy(plane) for plane in planes]
            result, _, logits = network(*tensors)
            logits = F.interpolate(logits, tensors[0].shape[2:], mode='bilinear')
        return result.fused[0, 0].numpy(), logits[0].argmax(0).numpy()

    return infer


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='plain_node')
    parser.add_argument('engine', choices=('constant', 'torch'))
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--size', type=int, nargs=2, default=(640, 480), metavar=('W', 'H'))
    options, ros_arguments = parser.parse_known_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    engine = (constant_engine() if options.engine == 'constant'
              else torch_engine(options.threads))
    width, height = options.size
    plane = np.zeros((1, 1, height, width), np.float32)
    for _ in range(WARM_UP):
        engine(plane, plane, np.concatenate((plane, plane), 1))
    rclpy.init(args=ros_arguments)
    node = PlainNode(engine)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    node.destroy_node()
    rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
