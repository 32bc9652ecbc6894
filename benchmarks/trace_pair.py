"""
Count the files and functions that one pair of images passes on its way through the node.

Printed is how many files of the package and functions run from the arrival of two images to the
published result, and how often one runs that lies in another file than the one before; `--list`
prints them in order.
"""

from pathlib import Path
import sys
import threading
import time

import numpy as np
import rclpy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

import uaafusion_ros
from uaafusion_ros.nodes.fusion_node import FusionNode
from uaafusion_ros.nodes.messages import image_from_array

PACKAGE = f'{Path(uaafusion_ros.__file__).parent}/'
calls: dict[int, list[tuple[str, str]]] = {}  # by thread: files and functions
tracing = threading.Event()


def note(frame, event, _):
    path = frame.f_code.co_filename
    if event == 'call' and tracing.is_set() and path.startswith(PACKAGE):
        calls.setdefault(threading.get_ident(), []).append(
            (path[len(PACKAGE):], f'{frame.f_code.co_name}:{frame.f_code.co_firstlineno}'))


if __name__ == '__main__':
    threading.setprofile(note)  # for the worker, which the node starts
    sys.setprofile(note)
    rclpy.init()
    node = FusionNode()
    node.start()
    node.create_subscription(Image, 'fused/image', lambda _: None, 1)
    while not node.count_subscribers('fused/image'):
        time.sleep(0.05)
    for number in range(13):  # until rates are known and no layout is new
        rng = np.random.default_rng(number)
        images = [(name, serialize_message(image_from_array(
            rng.integers(0, 255, shape, np.uint8), code, time.time_ns(), name)))
                  for name, shape, code in (
                      ('rgb', (96, 128, 3), 'rgb8'), ('thermal', (96, 128), 'mono8'))]
        if number == 12:
            tracing.set()
        for image in images:
            node._inputs.receive(*image)
        time.sleep(1.0)  # more than a pair takes on the worker
    for file, name in (call for each in calls.values() for call in each if '--list' in sys.argv):
        print(file, name)
    every = {call for each in calls.values() for call in each}
    changes = sum(a[0] != b[0] for each in calls.values() for a, b in zip(each, each[1:]))
    files = len({file for file, _ in every})
    print(f'{files} files, {len(every)} functions, {changes} changes of file')
