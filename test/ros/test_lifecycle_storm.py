"""Transitions by the hundred, right and wrong: the node lives on and holds no more than before."""

from __future__ import annotations

from random import Random
import statistics
import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import pytest
from robot import Listener
from robot import START_S
from robot import until

from uaafusion_ros.harness.processes import held

pytestmark = [pytest.mark.ros, pytest.mark.slow]

CONFIGURE = Transition.TRANSITION_CONFIGURE
ACTIVATE = Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE
CLEANUP = Transition.TRANSITION_CLEANUP
# state -> transition -> next state; the design of ROS 2 lifecycle nodes
LIFE = {'unconfigured': {CONFIGURE: 'inactive'},
        'inactive': {ACTIVATE: 'active', CLEANUP: 'unconfigured'},
        'active': {DEACTIVATE: 'inactive'}}
WRONG = (0, 9, 10, 50, 60, 61, 62, 97, 99, 255)


class Manager:
    """Ask one node for transitions through one client, which is discovered once."""

    def __init__(self, listener: Listener) -> None:
        self._client = listener.client(ChangeState, '/fusion_node/change_state')

    def ask(self, transition: int) -> Any:
        """Return the future of the answer."""
        return self._client.call_async(ChangeState.Request(transition=Transition(id=transition)))

    def change(self, transition: int) -> bool:
        """Return whether the transition succeeded."""
        future = self.ask(transition)
        assert until(future.done, START_S), 'no answer'
        return future.result().success


def _private_mb(pid: int) -> float:
    return held(pid)['private'] / 1024


def _held(pid: int) -> tuple[int, int]:
    """Return threads and descriptors, without those of a moment, as a file being read."""
    seen = []
    for _ in range(5):
        now = held(pid)
        seen.append((now['threads'], now['descriptors']))
        time.sleep(0.02)
    return min(count for count, _ in seen), min(count for _, count in seen)


def test_two_hundred_transitions_right_and_wrong_leave_the_node_as_it_was(robot):
    """Each answer is what the life cycle allows; memory is within 5 % of that after cycle 3."""
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.fusion_node(autostart=False, engine__warmup_size=[64, 48])
    camera = robot.camera('--rate', '20', '--size', '64', '48', '--wait', '0')
    manager, random, state = Manager(listener), Random(5), 'unconfigured'

    def attempt(transition: int) -> None:
        nonlocal state
        following = LIFE[state].get(transition)
        assert manager.change(transition) == (following is not None), (state, transition)
        state = following or state

    def cycle() -> None:
        attempt(CONFIGURE), attempt(ACTIVATE)
        fused = len(listener.images['/fused/image'])
        assert until(lambda: len(listener.images['/fused/image']) > fused + 1), 'no output'
        attempt(DEACTIVATE), attempt(CLEANUP)

    for _ in range(3):
        cycle()
    memory = _private_mb(node.pid)
    for _ in range(200):
        attempt(random.choice(
            (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP, *random.sample(WRONG, 3))))
    while state != 'unconfigured':
        attempt({'active': DEACTIVATE, 'inactive': CLEANUP}[state])
    cycle()
    print(f'\nmemory after cycle 3: {memory:.1f} MiB, at the end {_private_mb(node.pid):.1f} MiB')
    assert listener.state() == 'unconfigured'
    assert _private_mb(node.pid) < 1.05 * memory
    assert node.alive() and camera.alive() and 'Traceback' not in '\n'.join(node.lines)
    assert node.stop() == 0


def test_a_hundred_activations_under_load_hold_no_more_than_the_third(robot):
    """Memory within 5 %, threads and descriptors constant, and every image accounted for."""
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.active(engine__warmup_size=[64, 48])
    robot.camera('--rate', '60', '--size', '64', '48')
    assert until(lambda: listener.counts()['fused'] > 2)
    manager, kept, memory = Manager(listener), [], []
    for _ in range(100):
        assert manager.change(DEACTIVATE) and manager.change(ACTIVATE)
        fused = len(listener.images['/fused/image'])
        assert until(lambda: len(listener.images['/fused/image']) > fused), 'no output resumed'
        kept.append(_held(node.pid))
        memory.append(_private_mb(node.pid))
    print(f'\nmemory of cycle 3: {memory[2]:.1f} MiB, of the last ten '
          f'{statistics.median(memory[-10:]):.1f} MiB')
    assert len(set(kept[2:])) == 1, kept
    assert statistics.median(memory[-10:]) < 1.05 * memory[2], memory
    assert listener.change(DEACTIVATE)
    counts = listener.counts()
    assert counts['in_flight'] == counts['pending.rgb'] == counts['pending.thermal'] == 0
    assert node.alive() and not node.said('ERROR')


def test_transitions_asked_by_many_at_once_are_answered_one_by_one(robot):
    """Eight requests in flight, below the depth of a service's queue: none is lost or mixed up."""
    listener = robot.listener
    node = robot.active()
    manager = Manager(listener)
    for _ in range(5):
        futures = [manager.ask(transition) for transition in (DEACTIVATE, ACTIVATE) * 4]
        assert until(lambda: all(future.done() for future in futures), 30.0)
        assert all(future.result().success for future in futures)
    assert listener.state() == 'active' and node.alive() and not node.said('ERROR')
