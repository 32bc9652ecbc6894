"""The demo's processes: one environment for all, and none left behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from queue import Empty
from queue import SimpleQueue
import random
import signal
import socket
import subprocess
import sys
from threading import Thread
from typing import Mapping

from uaafusion_ros import share
from uaafusion_ros.errors import DependencyError

_GRACE_S = 5.0


def free_domain() -> int:
    """
    Return a ROS domain id, 1 to 100, that no process of this machine takes part in.

    The first participant of domain d holds UDP port 7410 + 250 d (RTPS 2.3, 9.6.1.1); ids above
    100 would meet the ports that Linux gives to any program. Raises DependencyError if all are
    taken.
    """
    domains = list(range(1, 101))
    random.shuffle(domains)  # two demos that start together should not pick the same
    for domain in domains:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('', 7410 + 250 * domain))
            except OSError:
                continue
        return domain
    raise DependencyError('every ROS domain from 1 to 100 is in use on this machine; end some of '
                          'its ROS processes')


def ros_environment(domain_id: int, profile: Path, log_folder: Path) -> dict[str, str]:
    """
    Return the environment of ROS processes that hear only one another on this machine.

    `profile` is the Fast DDS profile with the large shared-memory segment; the malloc settings
    keep glibc from returning and faulting in the heap again with every image, and from giving each
    thread a heap of its own that grows to its own peak.
    """
    environment = {
        **os.environ,
        'ROS_DOMAIN_ID': str(domain_id),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'FASTDDS_DEFAULT_PROFILES_FILE': str(profile),
        'ROS_LOG_DIR': str(log_folder),
        'MALLOC_TRIM_THRESHOLD_': '1000000000',
        'MALLOC_MMAP_THRESHOLD_': '1000000000',
        'MALLOC_TOP_PAD_': '67108864',
        'MALLOC_ARENA_MAX': '1',
        'PYTHONUNBUFFERED': '1',
    }
    # ROS installed by pip has its ament prefix at the root of the virtual environment.
    if (Path(sys.prefix) / 'share' / 'ament_index').is_dir():
        environment.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    return environment


def check_ros(environment: Mapping[str, str]) -> None:
    """Raise DependencyError if this Python cannot import rclpy and the messages."""
    probe = subprocess.run(
        [sys.executable, '-c', 'import rclpy, sensor_msgs.msg, diagnostic_msgs.msg'],
        env=environment, capture_output=True, text=True)
    if probe.returncode:
        last = probe.stderr.strip().splitlines()[-1:] or ['no message']
        raise DependencyError(
            f'{sys.executable} cannot import rclpy ({last[0]}); source a ROS 2 setup file, or run '
            '`pip install ros-rclpy ros-common-interfaces ros-rmw-fastrtps-cpp`; '
            '`uaafusion fuse` works without ROS')


def private_ros(log_folder: Path) -> dict[str, str]:
    """
    Return the `ros_environment` of a free domain with the package's own transport profile.

    Raises DependencyError where the profile or ROS is missing.
    """
    try:
        profile = share.path('config', 'fastdds.xml')
    except FileNotFoundError as error:
        raise DependencyError(f'{error}; install the package again') from error
    environment = ros_environment(free_domain(), profile, log_folder)
    check_ros(environment)
    return environment


class Process:
    """
    A Python module running in a child process, as a context manager that ends it.

    Its stdout lines are JSON events, read in the background; stderr goes to a log file. It has
    its own session, so that Ctrl-C reaches this process alone, which then ends its children in
    order: SIGINT, and SIGKILL for whoever is still there after the grace period.
    """

    def __init__(self, module: str, arguments: list[str], environment: Mapping[str, str],
                 log: Path):
        self.name = module.rpartition('.')[2]
        self.log = log
        self._events: SimpleQueue[dict] = SimpleQueue()
        with log.open('wb') as errors:
            self._child = subprocess.Popen(
                [sys.executable, '-m', module, *arguments], env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                start_new_session=True)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, None while the process runs."""
        return self._child.poll()

    def events(self) -> list[dict]:
        """Return the events since the last call."""
        events = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events

    def stop(self) -> int:
        """End the process if it runs, wait for it and return its exit code."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
        try:
            self._child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:  # a second Ctrl-C must not leave it behind either
            if self._child.poll() is None:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait()
        self._reader.join()
        return self._child.returncode

    def last_words(self) -> str:
        """Return the last line of its log, for a message that explains its end."""
        lines = self.log.read_text(errors='replace').strip().splitlines()
        return lines[-1] if lines else 'it said nothing'

    def _read(self) -> None:
        for line in self._child.stdout:
            if line.startswith(b'{'):
                self._events.put(json.loads(line))


def interrupt_on_termination() -> None:
    """
    Let SIGTERM and SIGHUP end this process like Ctrl-C, so that its children are ended.

    SIGINT is among them because a script's background jobs start with it ignored, which they
    would hand on to their children.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
