"""The end of the process at any moment, and a new one in its place."""

from __future__ import annotations

from pathlib import Path
import signal
import time

import pytest
from robot import until

pytestmark = [pytest.mark.ros, pytest.mark.slow]

CLEAN_S, RESPAWN_S = 2.0, 10.0
SIZE = [64, 48]
CAMERA = ('--size', '64', '48', '--rate', '10')
BOTH = pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])


def catches(pid: int, number: int) -> bool:
    """Return whether the process has a handler of its own for this signal."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    mask = next(line.split()[1] for line in lines if line.startswith('SigCgt:'))
    return bool(int(mask, 16) >> number - 1 & 1)


def _complaints(node) -> list[str]:
    return [line for line in node.lines if 'ERROR' in line or 'Traceback' in line]


def _ended(node, number, record) -> int:
    """Send a signal; return the exit code of an end that was quick enough."""
    start = time.monotonic()
    code = node.stop(number)
    took = time.monotonic() - start
    record('exit_s', took)
    print(f'\n{took:.2f} s, exit code {code}')
    assert took <= CLEAN_S
    return code


def test_a_killed_node_is_replaced_within_ten_seconds(robot, record_property):
    """SIGKILL while it fuses, three times: from each kill to the next output of a new process."""
    listener = robot.listener
    listener.hear('fused/image')
    heard = listener.images['/fused/image']
    node = robot.active(engine__warmup_size=SIZE)
    robot.camera(*CAMERA)
    assert until(lambda: len(heard) > 3)
    took = []
    for _ in range(3):
        killed = time.monotonic()
        node.stop(signal.SIGKILL)
        time.sleep(0.2)  # what was under way arrives
        before = len(heard)
        node = robot.fusion_node(engine__warmup_size=SIZE)
        assert until(lambda: len(heard) > before, 30.0), node.lines
        took.append(time.monotonic() - killed)
    record_property('respawn_s', took)
    print(f'\noutput after {", ".join(f"{seconds:.1f}" for seconds in took)} s')
    assert max(took) <= RESPAWN_S, took
    counts = listener.counts()
    assert counts['received.rgb'] and counts['fused'] and not _complaints(node)


def test_a_signal_before_the_node_listens_ends_the_process(robot, record_property):
    """While modules are imported, the default of the system holds."""
    node = robot.fusion_node()
    time.sleep(0.2)
    assert not catches(node.pid, signal.SIGTERM)
    assert _ended(node, signal.SIGTERM, record_property) == -signal.SIGTERM
    assert not _complaints(node), node.lines


@BOTH
@pytest.mark.parametrize('delay_s', [0.0, 0.2, 0.5], ids=lambda seconds: f'{seconds}s')
def test_a_signal_while_configuring_ends_the_process(robot, number, delay_s, record_property):
    """A model of VGA size is being loaded, compiled or warmed up, in native code for long."""
    node = robot.fusion_node(engine__warmup_size=[640, 480])
    # SIGINT is Python's until then; the node's own handlers are set together.
    assert until(lambda: catches(node.pid, signal.SIGTERM), 30.0), node.lines
    time.sleep(delay_s)
    assert not node.said('configured:'), 'this came too late'
    assert _ended(node, number, record_property) == 0, node.lines
    assert not _complaints(node), node.lines


@BOTH
def test_a_signal_while_fusing_ends_the_process(robot, number, record_property):
    """Images come and are being fused."""
    robot.listener.hear('fused/image')
    node = robot.active(engine__warmup_size=SIZE)
    robot.camera(*CAMERA)
    assert until(lambda: len(robot.listener.images['/fused/image']) > 3)
    assert _ended(node, number, record_property) == 0, node.lines
    assert not _complaints(node), node.lines


def test_impatient_signals_are_no_harm(robot, record_property):
    """Ten of them within a moment, of two kinds, while images come: one clean end."""
    robot.listener.hear('fused/image')
    node = robot.active(engine__warmup_size=SIZE)
    robot.camera(*CAMERA)
    assert until(lambda: robot.listener.images['/fused/image'])
    start = time.monotonic()
    for _ in range(5):
        node.send_signal(signal.SIGINT)
        node.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    assert until(lambda: not node.alive(), 20.0)
    took = time.monotonic() - start
    record_property('exit_s', took)
    print(f'\n{took:.2f} s')
    assert took <= CLEAN_S
    assert node.stop() == 0 and not _complaints(node), node.lines
