"""Reliability times durability, on both sides: images, or a warning that names the mismatch."""

from __future__ import annotations

from itertools import product
import time

import pytest
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from robot import until
from sensor_msgs.msg import Image
from source import Source

pytestmark = [pytest.mark.ros, pytest.mark.slow]

LIMIT_S = 5.0
KINDS = list(product(('best_effort', 'reliable'), ('volatile', 'transient_local')))


def _profile(reliability: str, durability: str) -> QoSProfile:
    return QoSProfile(depth=5, reliability=ReliabilityPolicy[reliability.upper()],
                      durability=DurabilityPolicy[durability.upper()])


@pytest.fixture(params=['best_effort', 'reliable'])
def asked(request: pytest.FixtureRequest) -> str:
    """Return the reliability that the nodes ask of the cameras and offer to listeners."""
    return request.param


def _fits(offered: tuple[str, str], wanted: tuple[str, str]) -> list[str]:
    """Return the policies that keep a listener from hearing, by the rules of DDS."""
    return [name for name, low, offer, want in (
        ('RELIABILITY', 'best_effort', offered[0], wanted[0]),
        ('DURABILITY', 'volatile', offered[1], wanted[1])) if offer == low != want]


def test_every_camera_is_heard_or_its_mismatch_is_named(robot, asked):
    """
    Four kinds of cameras, one after the other, before nodes of each reliability.

    A warning is not repeated within its period, so that two nodes share the kinds.
    """
    listener = robot.listener
    nodes = {space: robot.active(
        namespace=space, qos__input_reliability=asked, engine__warmup_size=[0, 0])
        for space in ('/first', '/second')}
    for kind in KINDS:
        space = '/first' if kind[1] == 'volatile' else '/second'
        node, name = nodes[space], f'{space}/fusion_node'
        source = Source(listener, namespace=space, qos=_profile(*kind))
        mismatch = _fits(kind, (asked, 'volatile'))
        before = listener.counts(name)['received.rgb']
        start = time.monotonic()

        def told_or_heard() -> bool:
            source.send_pair(time.time_ns())
            time.sleep(0.05)
            return (bool(node.said(f'{space}/rgb/image_raw: a publisher offers an incompatible'))
                    if mismatch else
                    int(listener.values(name)['received.rgb']) > before)

        assert until(told_or_heard, LIMIT_S), (kind, node.lines)
        assert time.monotonic() - start < LIMIT_S
        if mismatch:
            for camera in ('rgb', 'thermal'):
                line = node.wait_for(f'{space}/{camera}/image_raw: a publisher offers', LIMIT_S)
                assert mismatch[0] in line and 'qos.input_reliability' in line
            assert listener.counts(name)['received.rgb'] == before
        source.close()


def test_every_listener_is_served_or_its_mismatch_is_named(robot, asked):
    """Four kinds of listeners to each of three topics, before a node of each reliability."""
    listener = robot.listener
    node = robot.active(qos__output_reliability=asked, engine__warmup_size=[64, 48])
    source = Source(listener)
    assert source.matched()
    for number, kind in enumerate(KINDS):
        # A warning is not repeated within its period, so that each kind takes another topic.
        topic = ('/fused/image', '/segmentation/mask', '/segmentation/overlay',
                 '/fused/image')[number]
        heard: list[Image] = []
        subscription = listener.node.create_subscription(
            Image, topic, heard.append, _profile(*kind))
        mismatch = _fits((asked, 'volatile'), kind)

        def told_or_served() -> bool:
            source.send_pair(time.time_ns())
            time.sleep(0.05)
            return bool(heard or node.said(f'{topic}: a subscriber asks an incompatible'))

        assert until(told_or_served, LIMIT_S), (kind, topic, node.lines)
        if mismatch:
            line = node.said(f'{topic}: a subscriber asks an incompatible')[-1]
            assert not heard and any(policy in line for policy in mismatch), line
            assert 'set qos.output_reliability' in line or 'of the subscriber' in line
        else:
            assert heard, (kind, topic, node.lines)
        listener.node.destroy_subscription(subscription)
