"""
Count the files and functions that one pair of images passes on its way through the node.

Printed is how many files of the package and functions run from the arrival of two images to the
published result, and how often one runs that lies in another file than the one before; `--list`
prints them in order. Without rclpy the pair goes through router and pipeline alone.
"""

from importlib.util import find_spec
from pathlib import Path
import sys
import threading
import time

import numpy as np

import uaafusion_ros
from uaafusion_ros.frames import Frame
from uaafusion_ros.pipeline import make_backend
from uaafusion_ros.pipeline import make_pipeline
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.frame_router import FrameRouter

PACKAGE = f'{Path(uaafusion_ros.__file__).parent}/'
calls: dict[int, list[tuple[str, str]]] = {}  # by thread: files and functions
tracing = threading.Event()


def note(frame, event, _):
    path = frame.f_code.co_filename
    if event == 'call' and tracing.is_set() and path.startswith(PACKAGE):
        calls.setdefault(threading.get_ident(), []).append(
            (path[len(PACKAGE):], f'{frame.f_code.co_name}:{frame.f_code.co_firstlineno}'))


def node_sender():
    """Start a node with a listener; return what makes a message, and what receives it."""
    import rclpy
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import Image

    from uaafusion_ros.nodes.fusion_node import FusionNode
    from uaafusion_ros.nodes.messages import image_from_array
    rclpy.init()
    node = FusionNode()
    node.start()
    node.create_subscription(Image, 'fused/image', lambda _: None, 1)
    while not node.count_subscribers('fused/image'):
        time.sleep(0.05)
    return lambda *image: serialize_message(image_from_array(*image)), node._inputs.receive


def bare_sender():
    """Return what makes a frame, and what routes and processes it."""
    router = FrameRouter(Settings(), time.monotonic_ns())
    pipeline = make_pipeline(make_backend(Settings()), Settings())
    return (lambda array, code, stamp_ns, name: Frame(array, stamp_ns, name, code),
            lambda camera, frame: [pipeline.process(job.pair) for job in router.on_frame(
                camera, frame, time.monotonic_ns()).jobs])


if __name__ == '__main__':
    threading.setprofile(note)  # for the worker, which the node starts
    sys.setprofile(note)
    make, receive = node_sender() if find_spec('rclpy') else bare_sender()
    for number in range(13):  # until rates are known and no layout is new
        rng = np.random.default_rng(number)
        images = [(name, make(rng.integers(0, 255, shape, np.uint8), code, time.time_ns(), name))
                  for name, shape, code in (
                      ('rgb', (96, 128, 3), 'rgb8'), ('thermal', (96, 128), 'mono8'))]
        if number == 12:
            tracing.set()
        for image in images:
            receive(*image)
        time.sleep(1.0)  # more than a pair takes on the worker
    for file, name in (call for each in calls.values() for call in each if '--list' in sys.argv):
        print(file, name)
    every = {call for each in calls.values() for call in each}
    changes = sum(a[0] != b[0] for each in calls.values() for a, b in zip(each, each[1:]))
    files = len({file for file, _ in every})
    print(f'{files} files, {len(every)} functions, {changes} changes of file')
