"""A node's process: signals, the executor's loop, and an end that never hangs."""

from __future__ import annotations

from collections.abc import Callable
import os
import re
import signal
import sys
from threading import Event
from threading import Thread
import time
from typing import Any
from typing import Protocol

import rclpy
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions

from uaafusion_ros.nodes.throttled_log import describe_error

# SingleThreadedExecutor asks every entity of the node anew for each event, which costs more than
# the callbacks here; Humble and the first patches of Jazzy have nothing else.
try:
    from rclpy.experimental.events_executor import EventsExecutor as Executor
except ImportError:
    from rclpy.executors import SingleThreadedExecutor as Executor

_STOP_S = 1.0  # for the work at hand when a signal ends the process
_END_S = 1.5   # for all of the end; two seconds are promised, and a busy machine is slow
_REMEDIES = {  # by what rcl says
    'log level': 'accepted are debug, info, warn, error and fatal',
    'logging directory': 'set HOME, or ROS_LOG_DIR to a folder that can be written',
    'log directory': 'set ROS_LOG_DIR to a folder that can be written',
    'params file': 'config/fusion.yaml shows how parameters are written',
    'parameter override': 'config/fusion.yaml shows how parameters are written',
}


class Runnable(Protocol):
    """A rclpy node with a beginning and an end of its own."""

    def start(self) -> None:
        """Begin, on the executor's thread."""

    def close(self, timeout_s: float) -> bool:
        """Stop and give everything back; return whether it ended within `timeout_s` seconds."""


def run(make_node: Callable[[], Runnable], args: list[str] | None) -> int:
    """
    Run a node until SIGINT or SIGTERM; return the exit code, 2 for wrong arguments.

    The process ends within two seconds of the first signal, with code 0, whatever the node does.
    To be called once, by the main thread, as the last thing the process does.
    """
    stopped = Event()
    # Own handlers, because those of rclpy shut the context down while the worker publishes.
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except rclpy_implementation.RCLError as error:
        print(f'fusion_node cannot start: {_with_remedy(str(error))}', file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    _end_in_time()
    node: Any = make_node()
    executor = Executor()
    executor.add_node(node)
    node.start()
    while not stopped.is_set():
        try:
            executor.spin_once(timeout_sec=0.2)
        except Exception as error:  # rclpy raises what a malformed request makes of its services
            if not rclpy.ok():
                break
            node.get_logger().error(f'a request was dropped: {describe_error(error)}')
    ended = node.close(_STOP_S)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()
    for number in (signal.SIGINT, signal.SIGTERM):
        # An ending interpreter restores the defaults, by which one more Ctrl-C would kill it;
        # what is ignored stays ignored.
        signal.signal(number, signal.SIG_IGN)
    if not ended:
        # The interpreter would tear the runtime down under the inference that still uses it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _with_remedy(error: str) -> str:
    """Return rcl's words without its source files, and what to do."""
    text = re.sub(r', at \S+:\d+', '', ' '.join(error.split()))
    return '; '.join([text, *(remedy for key, remedy in _REMEDIES.items() if key in text)][:2])


def _end_in_time() -> None:
    """
    From now on, end the process `_END_S` after its first signal at the latest.

    Python runs signal handlers between two steps of the main thread, which native code, such as
    a model being compiled, may keep from taking any for seconds. The byte for the wakeup
    descriptor is written at once, and a thread of its own reads it.
    """
    heard, written = os.pipe()
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)

    def watch() -> None:
        os.read(heard, 1)
        time.sleep(_END_S)
        os._exit(0)  # nothing is flushed: a reader that has stopped would hold this thread, too

    Thread(target=watch, name='end_in_time', daemon=True).start()
