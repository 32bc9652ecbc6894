"""Transitions, valid and not, and the end of the process."""

from __future__ import annotations

from pathlib import Path
import signal
import time

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import pytest
from robot import until

pytestmark = pytest.mark.ros

CONFIGURE = Transition.TRANSITION_CONFIGURE
ACTIVATE = Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE
CLEANUP = Transition.TRANSITION_CLEANUP


def _threads(pid: int) -> int:
    return len(list(Path(f'/proc/{pid}/task').iterdir()))


def test_a_manager_can_lead_the_node_through_its_states(robot):
    """Without autostart nothing starts by itself; each state accepts its own transitions only."""
    listener = robot.listener
    node = robot.fusion_node(autostart=False)
    assert listener.state() == 'unconfigured'
    for wrong in (ACTIVATE, DEACTIVATE, CLEANUP, 99, 255):
        assert not listener.change(wrong), wrong
        assert listener.state() == 'unconfigured'
    assert listener.change(CONFIGURE) and listener.state() == 'inactive'
    for wrong in (CONFIGURE, DEACTIVATE):
        assert not listener.change(wrong)
    assert listener.change(ACTIVATE) and listener.state() == 'active'
    for wrong in (CONFIGURE, ACTIVATE, CLEANUP):
        assert not listener.change(wrong)
    answer = listener.ask(
        ChangeState, '/fusion_node/change_state',
        ChangeState.Request(transition=Transition(id=0, label='no such transition')))
    assert not answer.success and listener.state() == 'active'
    assert listener.change(DEACTIVATE) and listener.change(CLEANUP)
    assert listener.state() == 'unconfigured'
    assert listener.change(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert listener.state() == 'finalized' and node.alive()
    assert node.stop() == 0


def test_activating_again_and_again_leaks_nothing_and_loses_no_count(robot):
    """Twenty cycles under load: threads stay constant, every frame stays accounted for."""
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.active()
    robot.camera('--rate', '30')
    until(lambda: listener.counts()['fused'] > 2)
    threads = []
    for _ in range(20):
        assert listener.change(DEACTIVATE) and listener.change(ACTIVATE)
        time.sleep(0.1)
        threads.append(_threads(node.pid))
    assert len(set(threads[3:])) == 1, threads
    fused = listener.counts()['fused']
    assert until(lambda: listener.counts()['fused'] > fused + 3)
    assert listener.change(DEACTIVATE)
    counts = listener.counts()
    assert counts['in_flight'] == counts['pending.rgb'] == counts['pending.thermal'] == 0
    assert listener.change(CLEANUP) and listener.change(CONFIGURE) and listener.change(ACTIVATE)
    fused = listener.counts()['fused']
    assert until(lambda: listener.counts()['fused'] > fused)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_cleanly(robot, number):
    """Under load the process ends within 2 s with exit code 0 and no complaint."""
    robot.listener.hear('fused/image')
    node = robot.active()
    robot.camera('--rate', '30')
    assert until(lambda: robot.listener.images['/fused/image'])
    start = time.monotonic()
    assert node.stop(number) == 0
    assert time.monotonic() - start < 2.0
    assert not [line for line in node.lines if 'ERROR' in line or 'Traceback' in line], node.lines


def test_a_signal_ends_an_unconfigured_node_cleanly(robot):
    """Waiting for a manager is no obstacle."""
    node = robot.fusion_node(autostart=False)
    robot.listener.state()
    start = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - start < 2.0
