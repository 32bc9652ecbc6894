"""Child processes: their events are heard, and none outlives it."""

from __future__ import annotations

import os
from pathlib import Path
import sys
import time

import pytest

from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.harness.camera import processor_s
from uaafusion_ros.harness.processes import check_alive
from uaafusion_ros.harness.processes import check_ros
from uaafusion_ros.harness.processes import held
from uaafusion_ros.harness.processes import Process
from uaafusion_ros.harness.processes import ros_environment


def start(tmp_path, code):
    (tmp_path / 'child_module.py').write_text(code)
    environment = {**os.environ, 'PYTHONPATH': str(tmp_path), 'PYTHONUNBUFFERED': '1'}
    return Process(['-m', 'child_module'], environment, tmp_path / 'log.txt')


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


def test_a_deaf_child_is_killed_after_the_grace_period(tmp_path):
    code = ('import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n'
            'print(\'{"up": 1}\')\ntime.sleep(60)\n')
    process = start(tmp_path, code)
    wait_for_event(process)
    assert process.stop(grace_s=0.3) == -9


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


def test_a_line_is_asked_and_answered(tmp_path):
    code = ('import json, sys\nprint(\'{"up": 1}\')\nfor line in sys.stdin:\n'
            '    print(json.dumps({"got": line.strip()}))\n')
    with start(tmp_path, code) as process:
        assert process.ask('one', 'got') == 'one'
        assert process.ask('two', 'got') == 'two'


def test_without_a_log_the_lines_hold_both_streams(tmp_path):
    (tmp_path / 'talker.py').write_text(
        'import sys\nprint("out", flush=True)\nprint("wrong", file=sys.stderr)\n')
    with Process([str(tmp_path / 'talker.py')]) as process:
        assert process.wait(20) == 0
    assert process.lines == ['out', 'wrong'] and process.last_words() == 'wrong'
    assert process.name == 'talker'
    with pytest.raises(EngineError, match='talker ended with code 0 .wrong.'):
        check_alive([process])


def test_what_a_process_holds_is_read():
    before = held(os.getpid())
    with open(os.devnull):
        block = bytearray(64 << 20)
        block[::4096] = b'x' * len(block[::4096])
        now = held(os.getpid())
    assert now['descriptors'] == before['descriptors'] + 1
    assert now['private'] - before['private'] > 60 << 10 and now['peak'] >= now['private']
    assert now['threads'] >= 1


def test_the_processor_time_of_another_process_is_read(tmp_path):
    (tmp_path / 'busy.py').write_text('while True: pass')
    with Process([str(tmp_path / 'busy.py')]) as process:
        before, deadline = processor_s(process.pid), time.monotonic() + 20
        while processor_s(process.pid) - before < 0.05 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert processor_s(process.pid) - before >= 0.05
