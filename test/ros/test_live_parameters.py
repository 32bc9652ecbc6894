"""Parameters of a running node change at once, or not at all."""

from __future__ import annotations

from harness import until
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest

pytestmark = pytest.mark.ros


def test_a_change_takes_effect_at_once(robot):
    """overlay.alpha 1 shows class colours alone; a slop and an offset decide what is a pair."""
    listener = robot.listener
    listener.hear('segmentation/overlay', 'segmentation/mask', 'fused/image')
    robot.active()
    robot.camera('--rate', '8')
    assert until(lambda: listener.images['/segmentation/overlay'])
    assert listener.set(overlay__alpha=0.0).successful
    count = len(listener.images['/segmentation/overlay'])
    assert until(lambda: len(listener.images['/segmentation/overlay']) > count + 3)
    stamp = listener.images['/segmentation/overlay'][-1].header.stamp
    fused = until(lambda: [m for m in listener.images['/fused/image'] if m.header.stamp == stamp])
    assert np.array_equal(listener.images['/segmentation/overlay'][-1].data, fused[0].data) or (
        listener.images['/segmentation/overlay'][-1].header.stamp != stamp)

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
