"""
Publish thermal/RGB pairs from a process of its own, and say how many were sent.

One JSON line is printed when publishing starts and one when it ends:
{"ready": true} and {"thermal": N, "rgb": N, "stamps": [ns, ...]}.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time

import cv2
import numpy as np
import rclpy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

from uaafusion_ros.nodes.messages import image_from_array
from uaafusion_ros.nodes.messages import stamp_from_ns

FAULTS = ('none', 'encoding', 'short', 'zero', 'step')
# Red on black to the left, and a hot square to the right: what a swapped channel or a wrong row
# step would move or recolour.
RED = (slice(0.25, 0.75), slice(0.0, 0.5))
HOT = (slice(0.25, 0.75), slice(0.5, 1.0))


def _region(shape: tuple[int, ...], part: tuple[slice, slice]) -> tuple[slice, slice]:
    return tuple(slice(int(size * cut.start), int(size * cut.stop))
                 for size, cut in zip(shape, part))


def scene(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a thermal (uint8 HxW) and an RGB (uint8 HxWx3) image with known places."""
    rgb = np.full((height, width, 3), 40, np.uint8)
    rgb[_region(rgb.shape, RED)] = (200, 30, 30)
    thermal = np.full((height, width), 50, np.uint8)
    thermal[_region(thermal.shape, HOT)] = 230
    return thermal, rgb


def padded(msg: Image, extra: int) -> Image:
    """Return the message with `extra` bytes of 0xAA after each row."""
    rows = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)
    msg.data = np.pad(rows, ((0, 0), (0, extra)), constant_values=0xAA).tobytes()
    msg.step += extra
    return msg


def packed(msg: Image, container: str) -> CompressedImage:
    """Return the message as image_transport's compressed plugin would publish it."""
    array = np.frombuffer(msg.data, np.uint16 if msg.encoding == 'mono16' else np.uint8)
    array = array.reshape((msg.height, msg.width, -1))
    if msg.encoding == 'rgb8':
        array = array[..., ::-1]
    inside = 'bgr8' if array.shape[2] == 3 else ''
    answer = CompressedImage(
        header=msg.header, format=f'{msg.encoding}; {container} compressed {inside}')
    answer.data = cv2.imencode(f'.{container}', array)[1].tobytes()
    return answer


def spoil(msg: Image | CompressedImage, fault: str) -> Image | CompressedImage:
    """Return the message with one defect."""
    if fault == 'encoding':
        msg.encoding = 'jpeg2000'
    elif fault == 'short':
        msg.data = msg.data[:len(msg.data) // 2]
    elif fault == 'zero':
        msg.width = msg.height = msg.step = 0
        msg.data = b''
    elif fault == 'step':
        msg.step //= 2
    return msg


def main() -> int:
    """Publish until done or asked to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--namespace', default='')
    parser.add_argument('--count', type=int, default=0, help='pairs to send; 0: until stopped')
    parser.add_argument('--rate', type=float, default=10.0)
    parser.add_argument('--size', type=int, nargs=2, default=(160, 120))
    parser.add_argument('--thermal-size', type=int, nargs=2, help='that of RGB where not given')
    parser.add_argument('--thermal-encoding', default='mono8')
    parser.add_argument('--rgb-encoding', default='rgb8')
    parser.add_argument('--compress', choices=('jpeg', 'png'),
                        help='publish <topic>/compressed; thermal is always png')
    parser.add_argument('--padding', type=int, default=0, help='bytes after each row')
    parser.add_argument('--fault', choices=FAULTS, default='none')
    parser.add_argument('--fault-every', type=int, default=1, help='spoil each n-th RGB image')
    parser.add_argument('--reliable', action='store_true')
    parser.add_argument('--info', action='store_true', help='publish camera_info, too')
    parser.add_argument('--wait', type=float, default=10.0, help='s to wait for a subscriber')
    parser.add_argument('--frame', default='rgb_optical')
    args = parser.parse_args()

    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('camera', namespace=args.namespace)
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE if args.reliable
                     else ReliabilityPolicy.BEST_EFFORT)
    kind, suffix = (CompressedImage, '/compressed') if args.compress else (Image, '')
    topics = {name: node.create_publisher(kind, f'{name}/image_raw{suffix}', qos)
              for name in ('thermal', 'rgb')}
    infos = {name: node.create_publisher(CameraInfo, f'{name}/camera_info', qos)
             for name in ('thermal', 'rgb')} if args.info else {}
    rgb, thermal = scene(*args.size)[1], scene(*(args.thermal_size or args.size))[0]
    if args.thermal_encoding == 'mono16':
        thermal = thermal.astype(np.uint16) * 64 + 20000
    if args.rgb_encoding == 'bgr8':
        rgb = np.ascontiguousarray(rgb[..., ::-1])
    deadline = time.monotonic() + args.wait
    while time.monotonic() < deadline and not stopped and not all(
            topic.get_subscription_count() for topic in topics.values()):
        time.sleep(0.02)
    time.sleep(0.3)  # a match seen here may still be unknown to the other side
    print(json.dumps({'ready': True}), flush=True)
    sent, stamps = 0, []
    start = time.monotonic()
    while not stopped and (not args.count or sent < args.count):
        stamp_ns = time.time_ns()
        # No sensor repeats itself bit for bit.
        first = image_from_array(rgb + (sent % 2), args.rgb_encoding, stamp_ns, args.frame)
        second = image_from_array(
            thermal + (sent % 2), args.thermal_encoding, stamp_ns, 'thermal_optical')
        if args.padding:
            first = padded(first, args.padding)
        if args.compress:
            first, second = packed(first, args.compress), packed(second, 'png')
        if sent % args.fault_every == 0:
            first = spoil(first, args.fault)
        topics['rgb'].publish(first)
        topics['thermal'].publish(second)
        for name, publisher in infos.items():
            info = CameraInfo(width=args.size[0], height=args.size[1])
            info.header.stamp = stamp_from_ns(stamp_ns)
            info.header.frame_id = args.frame if name == 'rgb' else 'thermal_optical'
            info.k[0] = 123.0
            publisher.publish(info)
        stamps.append(stamp_ns)
        sent += 1
        time.sleep(max(0.0, start + sent / args.rate - time.monotonic()))
    time.sleep(0.5)  # let the middleware hand over the last images before leaving
    print(json.dumps({'thermal': sent, 'rgb': sent, 'stamps': stamps}), flush=True)
    rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
