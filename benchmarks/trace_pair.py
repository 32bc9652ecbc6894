"""
Count the files and functions that one pair of images passes on its way through the node.

`python benchmarks/trace_pair.py` prints how many files of the package, and how many of their
functions, run between the arrival of two images and the published result, and how often a
function runs that lies in another file than the one before. `--list` prints them in order.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
import threading
import time

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

import uaafusion_ros
from uaafusion_ros.nodes.fusion_node import FusionNode
from uaafusion_ros.nodes.messages import image_from_array

_PACKAGE = f'{Path(uaafusion_ros.__file__).parent}/'
_WARM_UP = 12  # pairs, until rates are known and no layout is new
_PERIOD_S = 1.0  # more than a pair takes, so that the worker is done with it

Calls = dict[int, list[tuple[str, str]]]  # by thread: files and functions


def trace_pair() -> Calls:
    """Run a node with a listener; return the calls that one pair makes."""
    calls: Calls = {}
    tracing = False

    def note(frame, event, _):
        path = frame.f_code.co_filename
        if tracing and event == 'call' and path.startswith(_PACKAGE):
            calls.setdefault(threading.get_ident(), []).append(
                (path[len(_PACKAGE):], f'{frame.f_code.co_name}:{frame.f_code.co_firstlineno}'))

    threading.setprofile(note)  # for the worker, which the node starts
    sys.setprofile(note)
    context, rng = Context(), np.random.default_rng(0)
    rclpy.init(context=context)
    node = FusionNode(context=context)
    node.start()
    node.create_subscription(Image, 'fused/image', lambda _: None, 1)
    while not node.count_subscribers('fused/image'):
        time.sleep(0.05)
    for number in range(_WARM_UP + 1):
        stamp_ns = time.time_ns()
        messages = {camera: serialize_message(image_from_array(
            rng.integers(0, 255, shape, np.uint8), encoding, stamp_ns, camera))
            for camera, shape, encoding in (
                ('rgb', (96, 128, 3), 'rgb8'), ('thermal', (96, 128), 'mono8'))}
        tracing = number == _WARM_UP
        for camera, message in messages.items():
            node._inputs.receive(camera, message)  # what the subscription calls
        time.sleep(_PERIOD_S)
    tracing = False
    node.close(5.0)
    return calls


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--list', action='store_true', help='print each call')
    asked = parser.parse_args()
    threads = list(trace_pair().values())
    for file, function in (call for thread in threads if asked.list for call in thread):
        print(file, function)
    every = {call for thread in threads for call in thread}
    changes = sum(a[0] != b[0] for thread in threads for a, b in zip(thread, thread[1:]))
    print(f'{len({file for file, _ in every})} files, {len(every)} functions, {changes} changes '
          f'of file, {sum(map(len, threads))} calls')
