"""Processes of nodes and cameras, and a listener, for tests over real DDS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
import json
from pathlib import Path
import signal
from threading import Thread
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image

from uaafusion_ros.harness.processes import Process
from uaafusion_ros.nodes.diagnostics import read

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = ('fused/image', 'segmentation/mask', 'segmentation/confidence', 'segmentation/overlay')
START_S = 30.0


def until(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Return the first true value of `condition()`, or its last when time is up."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


class Pauses:
    """
    The moments at which this machine ran nothing, by a thread that does nothing but look.

    A virtual machine that is held for a second holds nodes, cameras and listeners alike; what is
    asked of a node is asked of the time in which it could run.
    """

    _LOOK_S = 0.02

    def __init__(self) -> None:
        self._found: list[tuple[float, float]] = []
        self._running = True
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        last = time.time()
        while self._running:
            time.sleep(self._LOOK_S)
            now = time.time()
            if now - last > 3 * self._LOOK_S:
                self._found.append((last, now))
            last = now

    def within_s(self, begin: float, end: float) -> float:
        """Return how many seconds of a time of the wall clock were paused."""
        return sum(max(0.0, min(end, after) - max(begin, before))
                   for before, after in self._found)

    def close(self) -> None:
        self._running = False
        self._thread.join(5.0)


class Child(Process):
    """A child process whose output is kept, to be asked what it said."""

    def alive(self) -> bool:
        """Return whether it runs."""
        return self.exit_code is None

    def said(self, text: str) -> list[str]:
        """Return the lines so far that contain `text`."""
        return [line for line in self.lines if text in line]

    def wait_for(self, text: str, timeout_s: float = START_S) -> str:
        """Return the first line that contains `text`; fail when none comes."""
        until(lambda: self.said(text) or not self.alive(), timeout_s)
        found = self.said(text)
        assert found, f'{text!r} was not said; the output is:\n' + '\n'.join(self.lines)
        return found[0]

    def stop(self, number: int = signal.SIGINT, grace_s: float = 10.0) -> int:
        """Send a signal and return the exit code."""
        return super().stop(number, grace_s)

    def result(self, timeout_s: float = 60.0) -> dict[str, Any]:
        """Wait for the end and return the last event."""
        assert self.wait(timeout_s) == 0, '\n'.join(self.lines)
        return self.events()[-1]


class Listener:
    """A node of the test itself that hears outputs and diagnostics and asks services."""

    def __init__(self, domain: int) -> None:
        self._clients: dict[str, Any] = {}
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node('listener', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.images: dict[str, list[Any]] = defaultdict(list)
        self._reports: list[DiagnosticArray] = []
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._reports.append, 50)
        self._running = True
        self._thread = Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        while self._running:
            self._executor.spin_once(timeout_sec=0.05)

    def hear(self, *topics: str, namespace: str = '') -> None:
        """Collect the messages of these topics in `images`."""
        for topic in topics:
            name = f'{namespace}/{topic}'
            kind = CameraInfo if topic.endswith('camera_info') else Image
            self.node.create_subscription(kind, name, self.images[name].append, 50)

    def values(self, node: str = '/fusion_node') -> dict[str, str]:
        """Return what the node reported last."""
        return next((found for array in reversed(self._reports) if (found := read(array, node))),
                    {})

    def counts(self, node: str = '/fusion_node') -> dict[str, int]:
        """Return the counts of a report that was made after this call, or {} without one."""
        first = len(self._reports) + 1  # one may be on its way already
        until(lambda: any(read(array, node) for array in self._reports[first:]), 5.0)
        if not any(read(array, node) for array in self._reports[first:]):
            return {}
        return {key: int(value) for key, value in self.values(node).items() if value.isdigit()}

    def messages(self, node: str = '/fusion_node') -> dict[str, str]:
        """Return the newest message of each status of the node."""
        return {entry.name.partition(': ')[2]: entry.message for array in self._reports
                for entry in array.status if entry.name.startswith(f'{node}: ')}

    def client(self, kind: Any, service: str) -> Any:
        """Return a client of a service that is there and has found the client, too."""
        known = self._clients.get(service)
        client = self._clients[service] = known or self.node.create_client(kind, service)
        if not known or not client.service_is_ready():
            assert client.wait_for_service(START_S), f'{service} does not exist'
            # A client finds its service before it is found; an answer in between is lost.
            time.sleep(1.0)
        return client

    def ask(self, kind: Any, service: str, request: Any, again_s: float = START_S) -> Any:
        """
        Call a service and return its answer.

        A request that changes nothing may be made again each `again_s` seconds: on a busy machine
        the first answer can be lost in DDS, as the node has not found the client yet.
        """
        client = self.client(kind, service)
        ends = time.monotonic() + START_S
        while time.monotonic() < ends:
            future = client.call_async(request)
            if until(future.done, again_s):
                return future.result()
        raise AssertionError(f'{service} does not answer')

    def change(self, transition: int, node: str = '/fusion_node') -> bool:
        """Ask for a lifecycle transition; return whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.ask(ChangeState, f'{node}/change_state', request).success

    def state(self, node: str = '/fusion_node') -> str:
        """Return the label of the lifecycle state."""
        return self.ask(
            GetState, f'{node}/get_state', GetState.Request(), again_s=5.0).current_state.label

    def set(self, node: str = '/fusion_node', **values: Any) -> Any:
        """Set parameters, all or nothing; `__` stands for the dot in their names."""
        request = SetParametersAtomically.Request(parameters=[
            Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
            for name, value in values.items()])
        return self.ask(
            SetParametersAtomically, f'{node}/set_parameters_atomically', request).result

    def close(self) -> None:
        self._running = False
        self._thread.join(5.0)
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


class Robot:
    """Start nodes and cameras on one domain, and end them all."""

    def __init__(self, domain: int) -> None:
        self.listener = Listener(domain)
        self._started: list[Child] = []

    def start(self, *arguments: Any) -> Child:
        """Start Python with these arguments."""
        self._started.append(Child([str(each) for each in arguments]))
        return self._started[-1]

    def fusion_node(self, *ros_args: str, namespace: str = '/', **values: Any) -> Child:
        """Start the node; `__` in a parameter's name stands for its dot."""
        given = {'diagnostics.period_s': 0.2, 'engine.warmup_size': [160, 120],
                 **{name.replace('__', '.'): value for name, value in values.items()}}
        return self.start(
            '-m', 'uaafusion_ros.nodes.main', '--ros-args', '-r', f'__ns:={namespace}',
            *(part for name, value in given.items()
              for part in ('-p', f'{name}:={json.dumps(value)}')), *ros_args)

    def active(self, **values: Any) -> Child:
        """Start the node and wait until it is active."""
        node = self.fusion_node(**values)
        name = values.get('namespace', '/').rstrip('/') + '/fusion_node'
        until(lambda: self.listener.values(name).get('state') == 'active' or not node.alive(),
              START_S)
        assert self.listener.values(name).get('state') == 'active', '\n'.join(node.lines)
        return node

    def camera(self, *arguments: Any) -> Child:
        """Start a process that publishes a camera pair, see `uaafusion_ros.harness.camera`."""
        return self.start('-m', 'uaafusion_ros.harness.camera', *arguments)

    def close(self) -> None:
        # Asked first, because a killed process leaves its shared memory behind.
        for process in self._started:
            process.send_signal(signal.SIGINT)
        for process in self._started:
            process.stop(grace_s=5.0)
        self.listener.close()
