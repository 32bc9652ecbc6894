"""The built-in policy by the node's parameters; its pairing is tested with the pairer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from uaafusion_ros.frames import Frame
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.nearest import NearestSynchronizer
from uaafusion_ros.stream.timeline import Drop

MS = 1_000_000
START_NS = 1_700_000_000_000 * MS


def make(**values):
    dropped = Counter()
    return NearestSynchronizer(
        SyncSettings(**values),
        lambda camera, reason, count: dropped.update({f'{camera}.{reason}': count})), dropped


def frame(camera, at_ms):
    return Frame(np.zeros((2, 2), np.uint8), START_NS + round(at_ms * MS), camera, 'mono8')


@pytest.mark.parametrize('values, thermal_ms, pairs', [
    ({}, 16, 1), ({}, 16.1, 0), ({'slop_ms': 5.0}, 6, 0),
    ({'slop_ms': 5.0, 'thermal_offset_ms': -20.0}, 24, 1), ({'thermal_offset_ms': 20.0}, 4, 0)])
def test_slop_and_offset_are_milliseconds(values, thermal_ms, pairs):
    synchronizer, _ = make(**values)
    made = (synchronizer.add('rgb', frame('rgb', 0), 0)
            + synchronizer.add('thermal', frame('thermal', thermal_ms), 0) + synchronizer.reset())
    assert len(made) == pairs
    assert all((pair.thermal.frame_id, pair.rgb.frame_id) == ('thermal', 'rgb') for pair in made)


@pytest.mark.parametrize('late_ms, made', [(99, 1), (101, 0)])
def test_a_reference_waits_so_long_and_its_drop_is_told_once(late_ms, made):
    synchronizer, dropped = make(max_wait_ms=100.0)
    synchronizer.add('rgb', frame('rgb', 0), 0)
    pairs = synchronizer.poll(late_ms * MS)
    pairs += synchronizer.add('thermal', frame('thermal', 0), late_ms * MS)
    pairs += synchronizer.reset(Drop.RESET)
    assert len(pairs) == made
    assert dropped['rgb.no_partner'] == 1 - made
    synchronizer.reset(Drop.RESET)
    assert sum(dropped.values()) == 2 * (1 - made)


def test_a_jump_is_told_once():
    synchronizer, dropped = make()
    for number in range(12):
        at = number * 33 if number < 6 else number * 33 - 60_000
        synchronizer.add('rgb', frame('rgb', at), number * 33 * MS)
    assert 'rgb' in synchronizer.jump() and synchronizer.jump() is None
    assert dropped['rgb.time_jump'] > 0
