"""Children of the demo: their events are heard, and none outlives it."""

from __future__ import annotations

import os
from pathlib import Path
import random
import socket
import sys
import time

import pytest

from uaafusion_ros.demo import processes
from uaafusion_ros.demo.processes import check_ros
from uaafusion_ros.demo.processes import free_domain
from uaafusion_ros.demo.processes import Process
from uaafusion_ros.demo.processes import ros_environment
from uaafusion_ros.errors import DependencyError


def start(tmp_path, code):
    (tmp_path / 'child_module.py').write_text(code)
    environment = {**os.environ, 'PYTHONPATH': str(tmp_path), 'PYTHONUNBUFFERED': '1'}
    return Process('child_module', [], environment, tmp_path / 'log.txt')


def wait_for_event(process):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        events = process.events()
        if events:
            return events
        time.sleep(0.02)
    raise AssertionError(process.last_words())


def test_events_and_last_words_are_heard(tmp_path):
    with start(tmp_path, 'import sys\nprint("noise")\nprint(\'{"a": 1}\')\nprint(\'{"b": 2}\')\n'
                         'print("first\\nlast", file=sys.stderr)\nsys.exit(3)') as process:
        while process.exit_code is None:
            time.sleep(0.02)
        assert process.stop() == 3
        assert process.events() == [{'a': 1}, {'b': 2}]
        assert process.last_words() == 'last'


def test_a_child_is_interrupted_first(tmp_path):
    code = ('import time\ntry:\n    print(\'{"up": 1}\')\n    time.sleep(60)\n'
            'except KeyboardInterrupt:\n    print(\'{"interrupted": 1}\')\n')
    with start(tmp_path, code) as process:
        wait_for_event(process)
        assert process.stop() == 0
        assert process.events() == [{'interrupted': 1}]


def test_a_deaf_child_is_killed_after_the_grace_period(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, '_GRACE_S', 0.3)
    code = ('import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n'
            'print(\'{"up": 1}\')\ntime.sleep(60)\n')
    with pytest.raises(RuntimeError, match='of the test'), start(tmp_path, code) as process:
        wait_for_event(process)
        raise RuntimeError('of the test')
    assert process.exit_code == -9


def test_processes_share_a_domain_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', '42')
    environment = ros_environment(7, Path('/a/profile.xml'), tmp_path)
    assert environment['ROS_DOMAIN_ID'] == '7'
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert environment['FASTDDS_DEFAULT_PROFILES_FILE'] == '/a/profile.xml'
    assert environment['MALLOC_TRIM_THRESHOLD_'] == '1000000000'
    assert environment['MALLOC_ARENA_MAX'] == '1'


def test_missing_ros_is_said_in_one_line(tmp_path):
    (tmp_path / 'rclpy.py').write_text('raise ImportError("no rclpy here")')
    with pytest.raises(DependencyError, match='cannot import rclpy.*no rclpy here') as error:
        check_ros({**os.environ, 'PYTHONPATH': str(tmp_path)})
    assert '\n' not in str(error.value) and sys.executable in str(error.value)


def test_a_domain_in_use_is_not_taken(monkeypatch):
    """The participant that another program would have is a bound port here."""
    monkeypatch.setattr(random, 'shuffle', lambda domains: None)
    first = free_domain()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(('', 7410 + 250 * first))
        assert free_domain() > first
    assert free_domain() == first
