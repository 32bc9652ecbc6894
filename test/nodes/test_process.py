"""The end of a node's process while something keeps its main thread, and in its last moments."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from uaafusion_ros.harness.processes import ros_environment

pytest.importorskip('rclpy')

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]

PROCESS = """
import ctypes
import os
import signal
import sys

if {old}:
    sys.modules['rclpy.experimental.events_executor'] = None  # as in Humble

import rclpy
from rclpy.node import Node

from uaafusion_ros.nodes import process


class Busy(Node):
    def __init__(self):
        super().__init__('busy')

    def start(self):
        print('started', flush=True)
        self.create_timer(0.01, lambda: print(type(self.executor).__name__, flush=True))
        if {stuck}:
            library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
            for _ in range(2):  # the second lock waits for the first, and no signal wakes it
                library.pthread_mutex_lock(mutex)

    def close(self, timeout_s):
        return True


class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)


last = Last()
sys.exit(process.run(Busy, []))
"""


@pytest.fixture
def start(domain: int, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Return a function that starts the process, and kill what is left of it."""
    started = []

    def start(stuck: bool, old: bool = False) -> subprocess.Popen:
        started.append(subprocess.Popen(
            [sys.executable, '-c', PROCESS.format(stuck=stuck, old=old)], cwd=ROOT, text=True,
            env=ros_environment(domain, ROOT / 'config/fastdds.xml', tmp_path),
            stdout=subprocess.PIPE))
        assert started[0].stdout.readline() == 'started\n'
        return started[0]

    yield start
    for child in started:
        child.kill()
        child.communicate()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_native_code_on_the_main_thread_does_not_delay_the_end(start, number):
    child = start(stuck=True)
    time.sleep(0.2)  # it is inside by now
    began = time.monotonic()
    child.send_signal(number)
    assert child.wait(10.0) == 0
    assert time.monotonic() - began <= 2.0


@pytest.mark.parametrize(('old', 'name'), [
    (False, 'EventsExecutor'), (True, 'SingleThreadedExecutor')])
def test_the_executor_is_the_quicker_one_where_rclpy_has_it(start, old, name):
    """Either runs timers and ends at a signal."""
    if not old:
        pytest.importorskip('rclpy.experimental.events_executor')
    child = start(stuck=False, old=old)
    assert [child.stdout.readline() for _ in range(3)] == [f'{name}\n'] * 3
    child.send_signal(signal.SIGTERM)
    assert child.wait(10.0) == 0


def test_a_signal_while_the_interpreter_ends_is_no_harm(start):
    """The process sends it to itself when its modules are torn down, after its last handlers."""
    child = start(stuck=False)
    child.send_signal(signal.SIGINT)
    assert child.wait(10.0) == 0


def fusion_node(domain: int, folder: Path, *arguments: str, **changes: str | None):
    """Start fusion_node; a change of None takes a variable out of its environment."""
    environment = {**ros_environment(domain, ROOT / 'config/fastdds.xml', folder), **changes}
    return subprocess.Popen(
        [sys.executable, '-m', 'uaafusion_ros.nodes.main', *arguments], cwd=ROOT, text=True,
        env={name: value for name, value in environment.items() if value is not None},
        stderr=subprocess.PIPE)


@pytest.mark.parametrize('arguments, changes, remedy', [
    (['--ros-args', '--log-level', 'banana'], {}, 'accepted are debug, info'),
    ([], {'HOME': None, 'ROS_LOG_DIR': None, 'ROS_HOME': None}, 'set HOME, or ROS_LOG_DIR'),
    ([], {'ROS_LOG_DIR': '/proc/none'}, 'set ROS_LOG_DIR'),
    (['--ros-args', '-p', 'a:=[1,a]'], {}, 'config/fusion.yaml shows')])
def test_a_refusal_at_the_start_names_its_own_remedy(
        domain, tmp_path, arguments, changes, remedy):
    child = fusion_node(domain, tmp_path, *arguments, **changes)
    _, said = child.communicate(timeout=30.0)
    assert child.returncode == 2
    last = said.splitlines()[-1]
    assert remedy in last and last.count('; ') == 1 and '.c:' not in last


def test_ctrl_c_from_the_first_moment_on_leaves_no_traceback(domain, tmp_path):
    """The installed executable, while Python starts and finds its packages."""
    environment = ros_environment(domain, ROOT / 'config/fastdds.xml', tmp_path)
    environment['PATH'] = f'{Path(sys.executable).parent}:{environment["PATH"]}'
    environment['PYTHONPATH'] = os.pathsep.join(
        filter(None, (str(ROOT), environment.get('PYTHONPATH'))))
    for hundredths in range(0, 30, 2):
        child = subprocess.Popen([ROOT / 'scripts/fusion_node'], env=environment, text=True,
                                 stderr=subprocess.PIPE)
        time.sleep(hundredths / 100)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=30.0)[1] == '', f'after {hundredths / 100} s'


def test_ctrl_c_while_modules_are_imported_leaves_no_traceback(domain, tmp_path):
    """Numpy is being imported: its file is mapped, and the node's own handlers are not set."""
    child = fusion_node(domain, tmp_path)
    try:
        end = time.monotonic() + 30.0
        while 'numpy' not in Path(f'/proc/{child.pid}/maps').read_text():
            assert time.monotonic() < end and child.poll() is None
            time.sleep(0.001)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=10.0)[1] == ''
    finally:
        child.kill()
        child.wait()
