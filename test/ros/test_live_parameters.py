"""Parameters of a running node change at once, or not at all."""

from __future__ import annotations

from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from robot import until

pytestmark = pytest.mark.ros


def _next_images(listener) -> list[np.ndarray]:
    """Return overlay, fused image and mask of one pair that was taken after this call."""
    overlays = listener.images['/segmentation/overlay']
    count = len(overlays)
    assert until(lambda: len(overlays) > count + 3)
    messages = [overlays[-1]]
    for topic in ('/fused/image', '/segmentation/mask'):
        found = until(lambda: [message for message in listener.images[topic]
                               if message.header.stamp == messages[0].header.stamp])
        assert found, topic
        messages.append(found[0])
    return [np.frombuffer(message.data, np.uint8).reshape(
        (message.height, message.width, 3)[:3 if message.encoding == 'rgb8' else 2])
        for message in messages]


def test_a_change_takes_effect_at_once(robot):
    """
    A pair shown after the change shows it; a slop and an offset decide what is a pair.

    overlay.alpha 0 is the fused image alone, 1 the class colours alone.
    """
    listener = robot.listener
    listener.hear('segmentation/overlay', 'segmentation/mask', 'fused/image')
    robot.active()
    robot.camera('--rate', '8')
    assert until(lambda: listener.images['/segmentation/overlay'])
    assert listener.set(overlay__alpha=0.0).successful
    shown, fused, _ = _next_images(listener)
    assert np.array_equal(shown, fused)
    assert listener.set(overlay__alpha=1.0).successful
    shown, fused, mask = _next_images(listener)
    classes = np.unique(mask[mask > 0])
    assert np.array_equal(shown[mask == 0], fused[mask == 0])
    for number in classes:
        assert len(np.unique(shown[mask == number], axis=0)) == 1, number
    assert not len(classes) or not np.array_equal(shown, fused)

    assert listener.set(sync__thermal_offset_ms=45.0).successful
    paired = listener.counts()['paired']
    assert until(lambda: listener.counts()['dropped.rgb.no_partner'] > 5)
    assert listener.counts()['paired'] <= paired + 2
    assert listener.set(sync__slop_ms=60.0).successful
    paired = listener.counts()['paired']
    assert until(lambda: listener.counts()['paired'] > paired + 5)


def test_a_refused_change_leaves_every_old_value(robot):
    """Half-valid sets, wrong types, NaN, and what needs a new configuration."""
    listener = robot.listener
    node = robot.active()
    result = listener.set(sync__slop_ms=5.0, overlay__alpha=1.5)
    assert not result.successful
    for word in ('overlay.alpha', '1.5', '0.0', '1.0'):
        assert word in result.reason
    for values in ({'sync__slop_ms': float('nan')}, {'sync__slop_ms': 'wide'},
                   {'thermal__percentiles': [9.0, 1.0]}, {'autostart': False},
                   {'registration__mode': 'magic'}, {'no__such': 1}, {'sync__slop_ms': None}):
        assert not listener.set(**values).successful, values
    refused = listener.set(engine__threads=1)
    assert not refused.successful and 'while the node is unconfigured' in refused.reason
    assert node.alive()
    assert listener.change(Transition.TRANSITION_DEACTIVATE)
    assert listener.change(Transition.TRANSITION_CLEANUP)
    assert listener.set(engine__threads=1).successful
    assert listener.change(Transition.TRANSITION_CONFIGURE)
