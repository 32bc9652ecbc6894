"""Two nodes side by side, and a camera that dies."""

from __future__ import annotations

import signal

import pytest
from robot import until

pytestmark = pytest.mark.ros


def test_two_namespaces_do_not_talk_to_one_another(robot):
    """Each node receives, fuses and reports its own camera's images alone."""
    listener = robot.listener
    for side in ('left', 'right'):
        listener.hear('fused/image', namespace=f'/{side}')
        robot.fusion_node(namespace=f'/{side}')
    for side in ('left', 'right'):
        assert until(lambda: listener.values(f'/{side}/fusion_node').get('state') == 'active', 30)
    cameras = {
        side: robot.camera('--namespace', side, '--frame', f'{side}_optical', '--count', count,
                           '--rate', '5')
        for side, count in (('left', '8'), ('right', '13'))}
    for side, count in (('left', 8), ('right', 13)):
        sent = cameras[side].result()
        counts = listener.counts(f'/{side}/fusion_node')
        assert counts['received.rgb'] == counts['received.thermal'] == count
        heard = listener.images[f'/{side}/fused/image']
        assert heard and {message.header.frame_id for message in heard} == {f'{side}_optical'}
        assert {message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                for message in heard} <= set(sent['stamps'])


def test_a_camera_may_be_killed_and_come_back(robot):
    """After SIGKILL the node says that images are missing; a new camera is served at once."""
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.active(input__timeout_s=1.0)
    camera = robot.camera('--rate', '10')
    assert until(lambda: len(listener.images['/fused/image']) > 3)
    camera.stop(signal.SIGKILL)
    node.wait_for('/rgb/image_raw: no image for')
    assert until(
        lambda: listener.messages().get('cameras', '').startswith(
            'no image from thermal and rgb'))
    before = len(listener.images['/fused/image'])
    robot.camera('--rate', '10')
    assert until(lambda: len(listener.images['/fused/image']) > before + 5)
    assert until(lambda: listener.messages()['cameras'] == 'ok')
    assert node.alive() and not node.said('ERROR')
