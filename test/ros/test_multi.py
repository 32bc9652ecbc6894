"""Two nodes in one process: no cross-talk, diagnostics and modes of their own."""

from __future__ import annotations

import pytest
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from robot import until
from std_msgs.msg import String

pytestmark = [pytest.mark.ros, pytest.mark.slow]
TWO = '''
import rclpy
from rclpy.executors import SingleThreadedExecutor
from uaafusion_ros.nodes.fusion_node import FusionNode
rclpy.init()
executor = SingleThreadedExecutor()
settings = ['--ros-args', '-p', 'diagnostics.period_s:=0.2',
            '-p', 'engine.warmup_size:=[160, 120]']
nodes = [FusionNode(namespace=name, cli_args=settings) for name in ('left', 'right')]
for node in nodes:
    executor.add_node(node)
    node.start()
print('both started', flush=True)
executor.spin()
'''
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_two_nodes_in_one_process_do_not_mix(robot):
    """Each serves its own camera; a camera that is missing degrades its own node alone."""
    listener = robot.listener
    modes = {}
    for side in ('left', 'right'):
        listener.hear('fused/image', namespace=f'/{side}')
        modes[side] = []
        listener.node.create_subscription(
            String, f'/{side}/fusion_node/mode',
            lambda message, side=side: modes[side].append(message.data), LATCHED)
    process = robot.start('-c', TWO)
    process.wait_for('both started')
    sent = robot.camera('--namespace', 'left', '--frame', 'left_optical', '--count', '25',
                        '--rate', '5').result()
    heard = listener.images['/left/fused/image']
    assert until(lambda: len(heard) > 3), process.lines
    assert {message.header.frame_id for message in heard} == {'left_optical'}
    assert {message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            for message in heard} <= set(sent['stamps'])
    assert not listener.images['/right/fused/image']
    left, right = (listener.counts(f'/{side}/fusion_node') for side in ('left', 'right'))
    assert left['received.rgb'] == 25 and left['fused'] > 3
    assert right['received.rgb'] == right['received.thermal'] == right['fused'] == 0
    assert 'FUSED' in modes['left'] and set(modes['right']) <= {'INACTIVE', 'STALE'}
