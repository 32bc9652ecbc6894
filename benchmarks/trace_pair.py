"""
Count the files and functions that one pair of images passes on its way through the node.

`python benchmarks/trace_pair.py` prints the files of the package whose functions run between the
arrival of two images and the published result, how many functions, and how often control enters a
function of another file than the last one. `--list` prints each entry into a file, in order.
"""

from __future__ import annotations

import argparse
from collections import Counter
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

_PACKAGE = str(Path(uaafusion_ros.__file__).parent) + '/'
_WARM_UP, _PERIOD_NS = 12, 100_000_000


class Trace:
    """Calls of functions of the package by any thread that starts after it was made."""

    def __init__(self) -> None:
        self.calls: dict[int, list[tuple[str, str]]] = {}
        self.on = False
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, frame, event, arg) -> None:
        path = frame.f_code.co_filename
        if self.on and event == 'call' and path.startswith(_PACKAGE):
            self.calls.setdefault(threading.get_ident(), []).append(
                (path[len(_PACKAGE):], f'{frame.f_code.co_firstlineno} {frame.f_code.co_name}'))


def trace_node() -> list[list[tuple[str, str]]]:
    """Return the calls for one pair, by thread."""
    context, rng, published = Context(), np.random.default_rng(0), []
    rclpy.init(context=context)
    trace, node = Trace(), FusionNode(context=context)
    node.start()
    topic = 'fused/image'
    subscription = node.create_subscription(Image, topic, published.append, 1)
    while not node.count_subscribers(topic):
        time.sleep(0.05)
    for number in range(_WARM_UP + 1):
        trace.on = number == _WARM_UP
        for camera, shape, encoding in (
                ('rgb', (96, 128, 3), 'rgb8'), ('thermal', (96, 128), 'mono8')):
            node._inputs.receive(camera, serialize_message(image_from_array(
                rng.integers(0, 255, shape, np.uint8), encoding,
                time.time_ns(), camera)))
        time.sleep(0.3)
    trace.on = False
    sys.setprofile(None)
    node.destroy_subscription(subscription)
    node.close(5.0)
    context.try_shutdown()
    return list(trace.calls.values())


if __name__ == '__main__':
    threads = trace_node()
    calls = [c for t in threads for c in t]
    files = Counter(c[0] for c in calls)
    for t in threads:
        last = ''
        for f, name in t:
            print(('   ' if f == last else '') + f, name)
            last = f
        print('-----')
    changes = sum(a[0] != b[0] for t in threads for a, b in zip(t, t[1:]))
    print(len(files), 'files', len(set(calls)), 'functions', changes, 'changes', len(calls))
