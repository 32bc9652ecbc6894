"""The shipped stills and the bag that is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from uaafusion_ros.demo.scene import OUTPUT_SIZE
from uaafusion_ros.demo.source import load_stills
from uaafusion_ros.demo.source import write_bag
from uaafusion_ros.demo.topics import RGB_TOPIC
from uaafusion_ros.demo.topics import THERMAL_TOPIC
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.evaluation.bags import list_topics
from uaafusion_ros.evaluation.bags import read_images


def test_six_registered_pairs_ship():
    stills = load_stills()
    assert [still.name for still in stills] == ['02', '07', '11', '16', '20', '24']
    for still in stills:
        assert still.thermal.shape == still.rgb.shape
        assert (still.thermal != still.rgb).any()


def test_a_still_without_partner_is_named(tmp_path):
    (tmp_path / 'rgb').mkdir()
    (tmp_path / 'rgb' / 'a.png').write_bytes(b'')
    with pytest.raises(DatasetError, match=r"rgb \['a'\], thermal \[\]"):
        load_stills(tmp_path)


def test_the_bag_holds_every_shot_of_both_cameras(tmp_path):
    shots = write_bag(tmp_path / 'bag', load_stills(), rate=5.0, seconds=2.8)
    assert len(shots) == 14
    assert [shot.scene for shot in shots] == (
        ['02'] * 3 + ['07'] * 3 + ['11'] * 2 + ['16'] * 2 + ['20'] * 2 + ['24'] * 2)
    assert (np.diff([shot.stamp_ns for shot in shots]) == 200_000_000).all()
    frames = {RGB_TOPIC: [], THERMAL_TOPIC: []}
    for topic, _, frame in read_images(tmp_path / 'bag'):
        frames[topic].append(frame)
        assert frame.array.shape[:2] == OUTPUT_SIZE[::-1]
    assert [f.stamp_ns for f in frames[RGB_TOPIC]] == [shot.stamp_ns for shot in shots]
    assert [f.stamp_ns for f in frames[THERMAL_TOPIC]] == [
        shot.thermal_stamp_ns for shot in shots]
    assert {f.encoding for f in frames[RGB_TOPIC]} == {'rgb8'}
    assert {f.encoding for f in frames[THERMAL_TOPIC]} == {'mono8'}
    assert not any(topic.reliable for topic in list_topics(tmp_path / 'bag'))


def test_every_scene_is_shown_however_short_the_demo(tmp_path):
    shots = write_bag(tmp_path / 'bag', load_stills(), rate=5.0, seconds=0.1)
    assert [shot.scene for shot in shots] == ['02', '07', '11', '16', '20', '24']
