"""The three policies behind one interface; message_filters where it is installed."""

from __future__ import annotations

from collections import Counter
import importlib.util

import numpy as np
import pytest

pytest.importorskip('rclpy')

from uaafusion_ros.errors import DependencyError  # noqa: E402
from uaafusion_ros.frames import Frame  # noqa: E402
from uaafusion_ros.nodes.message_filters_pairing import make_pairing  # noqa: E402
from uaafusion_ros.settings import SyncSettings  # noqa: E402
from uaafusion_ros.stream.timeline import Drop  # noqa: E402

pytestmark = pytest.mark.ros
MS = 1_000_000
START = 1_700_000_000 * 1000 * MS
HAS_FILTERS = importlib.util.find_spec('message_filters') is not None
POLICIES = ['nearest'] + [
    pytest.param(policy, marks=pytest.mark.skipif(
        not HAS_FILTERS, reason='message_filters is not installed'))
    for policy in ('approximate', 'exact')]


def make(policy, **values):
    """Return a pairing, and the counter of what `made` of its outcomes says is dropped."""
    return make_pairing(SyncSettings(policy=policy, **values)), Counter()


def made(outcome, dropped):
    """Return the pairs of an outcome, its drops counted."""
    for camera, reason, count in outcome.drops:
        dropped.update({camera: count, reason: count})
    return outcome.pairs


def feed(pairing, stamps_ms, offset_ms=0, dropped=None):
    """Send RGB at these times and thermal `offset_ms` later; return the pairs."""
    pairs, dropped = [], Counter() if dropped is None else dropped
    for stamp in stamps_ms:
        for camera, at in (('rgb', stamp), ('thermal', stamp + offset_ms)):
            frame = Frame(np.zeros((2, 2), np.uint8), START + at * MS, camera, 'mono8')
            pairs += made(pairing.add(camera, frame, START + stamp * MS), dropped)
        pairs += made(pairing.poll(START + stamp * MS), dropped)
    return pairs + made(pairing.poll(START + (stamps_ms[-1] + 5000) * MS), dropped)


@pytest.mark.parametrize('policy', POLICIES)
def test_equal_stamps_pair_once_each(policy):
    """Every policy pairs them all, cameras not swapped, stamps untouched."""
    pairing, dropped = make(policy)
    pairs = feed(pairing, range(0, 2000, 100), dropped=dropped)
    assert [pair.rgb.stamp_ns for pair in pairs] == [
        START + stamp * MS for stamp in range(0, 2000, 100)]
    assert all(pair.skew_ns == 0 and pair.thermal.frame_id == 'thermal' for pair in pairs)
    assert not dropped


@pytest.mark.parametrize('policy', POLICIES)
def test_the_offset_is_for_pairing_alone(policy):
    """A camera that stamps 40 ms late pairs with offset -40 and keeps its stamps."""
    alone, _ = make(policy, slop_ms=5.0)
    assert feed(alone, range(0, 2000, 100), offset_ms=40) == []
    mended, _ = make(policy, slop_ms=5.0, thermal_offset_ms=-40.0)
    pairs = feed(mended, range(0, 2000, 100), offset_ms=40)
    assert len(pairs) == 20 and all(pair.skew_ns == 40 * MS for pair in pairs)


@pytest.mark.parametrize('policy', POLICIES)
def test_frames_without_partner_are_counted(policy):
    """Fifty lonely frames: what is not held any more was dropped."""
    pairing, dropped = make(policy, queue_size=10)
    for number in range(50):
        frame = Frame(np.zeros((2, 2), np.uint8), START + number * 30 * MS, 'rgb', 'mono8')
        assert made(pairing.add('rgb', frame, START + number * 30 * MS), dropped) == []
    assert dropped['rgb'] >= 40 and not dropped['thermal']
    made(pairing.reset(Drop.RESET), dropped)
    assert dropped['rgb'] == 50 and dropped['reset'] <= 10 and not dropped['time_jump']


@pytest.mark.parametrize('policy', POLICIES)
def test_after_a_reset_older_stamps_pair_again(policy):
    """A bag that starts over is paired like the first time."""
    pairing, _ = make(policy)
    assert len(feed(pairing, range(0, 1000, 100))) == 10
    pairing.reset(Drop.RESET)
    assert len(feed(pairing, range(0, 1000, 100))) == 10


@pytest.mark.skipif(not HAS_FILTERS, reason='message_filters is not installed')
@pytest.mark.parametrize('policy', ['approximate', 'exact'])
def test_a_stamp_before_1970_is_dropped_not_raised(policy):
    """message_filters would raise under its lock and never release it."""
    pairing, dropped = make(policy)
    frame = Frame(np.zeros((2, 2), np.uint8), -5, 'rgb', 'mono8')
    assert made(pairing.add('rgb', frame, START), dropped) == []
    assert dropped['negative_stamp'] == 1
    assert len(feed(pairing, range(0, 500, 100))) == 5


@pytest.mark.skipif(HAS_FILTERS, reason='message_filters is installed')
@pytest.mark.parametrize('policy', ['approximate', 'exact'])
def test_a_missing_package_is_named(policy, monkeypatch):
    """The error says what to install on this distribution, or what to set."""
    monkeypatch.setenv('ROS_DISTRO', 'kilted')
    with pytest.raises(DependencyError, match='ros-kilted-message-filters') as error:
        make(policy)
    assert 'nearest' in str(error.value)
