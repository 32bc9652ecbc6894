"""Images that are lost on their way are named in the log and in /diagnostics, with the cause."""

from __future__ import annotations

import time

import pytest
from robot import until

pytestmark = pytest.mark.ros

VGA = ('--rate', 15, '--size', 640, 480, '--thermal-encoding', 'mono16', '--wait', 30)


def named_after_s(robot, words):
    """Return after how many seconds from the first image /diagnostics says these words."""
    assert until(lambda: any(int(robot.listener.values().get(f'received.{camera}', 0))
                             for camera in ('rgb', 'thermal')), 40.0)
    start = time.monotonic()
    assert until(lambda: words in robot.listener.messages()['cameras'], 20.0), (
        robot.listener.messages()['cameras'], robot.listener.values())
    return time.monotonic() - start


def test_a_camera_without_the_profile_is_named(robot, monkeypatch):
    """15 Hz VGA, best effort, by the default transport."""
    node = robot.active()
    monkeypatch.delenv('FASTDDS_DEFAULT_PROFILES_FILE')
    robot.camera(*VGA)
    seconds = named_after_s(robot, 'runs without the DDS profile')
    assert 'FASTDDS_DEFAULT_PROFILES_FILE' in node.wait_for('runs without the DDS profile', 5.0)
    assert seconds < 5.5


def test_a_camera_that_leaves_out_half_is_named_once(robot):
    """With the profile the transport is not blamed; the log says it once."""
    node = robot.active()
    robot.camera('--cameras', 'rgb', '--rate', 15, '--wait', 30, '--tell', 'rgb loss 0.5')
    seconds = named_after_s(robot, 'of the rgb images are lost: the transport has room')
    assert seconds < 5.5
    assert float(robot.listener.values()['lost.rgb']) > 0.2
    time.sleep(6.0)
    assert len(node.said('of the rgb images are lost')) == 1
