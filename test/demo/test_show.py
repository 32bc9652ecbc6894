"""The bag that the demo makes of the shipped stills."""

from __future__ import annotations

import numpy as np

from uaafusion_ros.demo.show import write_bag
from uaafusion_ros.evaluation.bags import list_topics
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.harness.pictures import load_stills
from uaafusion_ros.harness.pictures import OUTPUT_SIZE
from uaafusion_ros.harness.topics import RGB_TOPIC
from uaafusion_ros.harness.topics import THERMAL_TOPIC


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
