"""Child processes in one ROS environment of their own, and none left behind."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import suppress
import json
import os
from pathlib import Path
from queue import Empty
from queue import SimpleQueue
import signal
import subprocess
import sys
from threading import Thread
from typing import Any

from uaafusion_ros import share
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.harness.domains import own_domain

_GRACE_S = 5.0


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


@contextmanager
def private_ros(log_folder: Path) -> Iterator[dict[str, str]]:
    """
    Hold a domain and give its `ros_environment` with the package's own transport profile.

    Raises DependencyError where the profile or ROS is missing.
    """
    try:
        profile = share.path('config', 'fastdds.xml')
    except FileNotFoundError as error:
        raise DependencyError(f'{error}; install the package again') from error
    with own_domain() as domain:
        environment = ros_environment(domain, profile, log_folder.resolve())
        check_ros(environment)
        yield environment


class Process:
    """
    Python in a child process, as a context manager that ends it.

    Lines of its stdout that are JSON objects are its events, all others are kept in `lines`;
    stderr goes to the file `log`, or without one among the lines. It has its own session, so that
    Ctrl-C reaches this process alone, which then ends its children in order.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None,
                 log: Path | None = None) -> None:
        """Start Python with these arguments, such as ['-m', 'package.module']."""
        module = arguments[1] if arguments[0] == '-m' else Path(arguments[0]).stem
        self.name = module.rpartition('.')[2]
        self.log = log
        self.lines: list[str] = []
        self._events: SimpleQueue[dict[str, Any]] = SimpleQueue()
        errors: Any = log.open('wb') if log else subprocess.STDOUT
        try:
            self._child = subprocess.Popen(
                [sys.executable, *arguments], env=environment, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors, start_new_session=True, text=True,
                errors='replace')
        finally:
            if log:
                errors.close()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._child.stdout:
            if line.startswith('{'):
                self._events.put(json.loads(line))
            else:
                self.lines.append(line.rstrip())

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, None while the process runs."""
        return self._child.poll()

    def events(self) -> list[dict[str, Any]]:
        """Return the events since the last call."""
        events = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                return events

    def ask(self, command: str, key: str, timeout_s: float = 10.0) -> Any:
        """Write a line to the process's stdin and return what its next event holds for `key`."""
        self._child.stdin.write(command + '\n')
        self._child.stdin.flush()
        while key not in (event := self._events.get(timeout=timeout_s)):
            pass
        return event[key]

    def close_input(self) -> None:
        """End the process's stdin."""
        with suppress(BrokenPipeError):
            self._child.stdin.close()

    def send_signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.exit_code is None:
            self._child.send_signal(number)

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end and return the exit code, None if it does not come in time."""
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join()
        return self._child.returncode

    def stop(self, number: int = signal.SIGINT, grace_s: float | None = None) -> int:
        """
        End the process if it runs, and return its exit code.

        It gets the signal `number`, and SIGKILL with all its children after the grace period.
        """
        self.send_signal(number)
        try:
            self.wait(_GRACE_S if grace_s is None else grace_s)
        finally:  # a second Ctrl-C must not leave it behind either
            if self.exit_code is None:
                os.killpg(self._child.pid, signal.SIGKILL)
                self._child.wait()
            self.close_input()
        self._reader.join()
        return self._child.returncode

    def last_words(self) -> str:
        """Return the last line of its log, for a message that explains its end."""
        lines = (self.log.read_text(errors='replace').strip().splitlines() if self.log
                 else self.lines)
        return lines[-1] if lines else 'it said nothing'


def check_alive(processes: Iterable[Process]) -> None:
    """Raise EngineError with the last words of the first process that has ended."""
    for process in processes:
        if process.exit_code is not None:
            raise EngineError(f'{process.name} ended with code {process.exit_code} '
                              f'({process.last_words()}); see {process.log}')


def held(pid: int) -> dict[str, int]:
    """
    Return what a process holds: numbers of `threads` and `descriptors`, memory in KiB.

    `private` memory is resident and its own, not shared and not a file's; `shared` lies in shared
    segments, as those of DDS; `peak` is the most that was ever resident.
    """
    proc = Path(f'/proc/{pid}')
    fields = dict(line.split(':', 1) for line in (proc / 'status').read_text().splitlines())
    return {'descriptors': len(os.listdir(proc / 'fd')),
            **{name: int(fields[field].split()[0]) for name, field in (
                ('threads', 'Threads'), ('private', 'RssAnon'), ('shared', 'RssShmem'),
                ('peak', 'VmHWM'))}}


def interrupt_on_termination() -> None:
    """
    Let SIGTERM and SIGHUP end this process like Ctrl-C, so that its children are ended.

    SIGINT is among them because a script's background jobs start with it ignored, which they
    would hand on to their children.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
