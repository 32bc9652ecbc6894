"""Simulated time that jumps backwards, as when a bag starts over."""

from __future__ import annotations

import numpy as np
import pytest
from robot import until
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from uaafusion_ros.nodes.messages import image_from_array
from uaafusion_ros.nodes.messages import stamp_from_ns

pytestmark = pytest.mark.ros
SECOND = 10**9


def test_a_backward_jump_drops_what_waited_and_pairing_goes_on(robot):
    """A frame that waits is dropped with its reason; the pair stamped earlier is fused."""
    listener = robot.listener
    listener.hear('fused/image')
    node = robot.active(use_sim_time=True, sync__max_wait_ms=10000.0)
    clock = listener.node.create_publisher(Clock, '/clock', 10)
    cameras = {name: listener.node.create_publisher(Image, f'/{name}/image_raw', 10)
               for name in ('rgb', 'thermal')}
    assert until(lambda: clock.get_subscription_count() and all(
        camera.get_subscription_count() for camera in cameras.values()))

    def send(camera: str, stamp_ns: int) -> None:
        image = np.zeros((120, 160, 3) if camera == 'rgb' else (120, 160), np.uint8)
        cameras[camera].publish(image_from_array(
            image, 'rgb8' if camera == 'rgb' else 'mono8', stamp_ns, camera))

    clock.publish(Clock(clock=stamp_from_ns(100 * SECOND)))
    send('rgb', 100 * SECOND)
    assert until(lambda: listener.counts()['pending.rgb'] == 1)
    clock.publish(Clock(clock=stamp_from_ns(50 * SECOND)))
    assert until(lambda: listener.counts().get('dropped.rgb.time_jump') == 1)
    assert len(node.said('the ROS clock jumped by -50.000 s')) == 1
    for tenth in range(500, 520):
        clock.publish(Clock(clock=stamp_from_ns(tenth * SECOND // 10)))
        send('rgb', tenth * SECOND // 10)
        send('thermal', tenth * SECOND // 10)
        until(lambda: False, 0.1)
    assert until(lambda: listener.images['/fused/image'])
    assert 50 <= listener.images['/fused/image'][0].header.stamp.sec < 52
    assert listener.counts()['paired'] >= 19
