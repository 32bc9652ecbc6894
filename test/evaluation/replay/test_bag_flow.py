"""Frames of a bag are paired as the node pairs them, waiting in the bag's own time."""

from __future__ import annotations

import numpy as np
import pytest
from rosbags.typesys import get_typestore
from rosbags.typesys import Stores
from toy_bags import PERIOD_NS
from toy_bags import START_NS
from toy_bags import still

from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import TF_MESSAGE
from uaafusion_ros.evaluation.replay.bag_flow import BagFlow
from uaafusion_ros.evaluation.replay.labels import LabelBook
from uaafusion_ros.evaluation.topics import choose
from uaafusion_ros.imaging.registration.extrinsics import between
from uaafusion_ros.settings import Settings

MS = 1_000_000


def flow_of(path, frames, **settings):
    """Write (topic, stamp, log time, image number) in ns from the start, and lead them."""
    with BagWriter(path) as bag:
        for number, (topic, stamp, logged, *image) in enumerate(frames):
            bag.add_image(f'/{topic}', still(image[0] if image else number, topic), 'mono8',
                          START_NS + stamp, '', START_NS + logged)
    source = BagSource(path)
    heard = []
    flow = BagFlow(source, choose(source.topics, {}), Settings().changed(settings),
                   LabelBook(('a',)), heard.append)
    return flow, heard


def paired(path, frames, **settings):
    """Return the stamps of the pairs, thermal first, and the flow."""
    flow, heard = flow_of(path, frames, **settings)
    pairs = [(job.pair.thermal.stamp_ns - START_NS, job.pair.rgb.stamp_ns - START_NS)
             for job in flow.jobs() if job.pair]
    return pairs, flow, heard


def test_every_possible_pair_is_made_and_every_drop_named(tmp_path):
    frames = []
    for number in range(20):
        frames.append(('rgb', number * PERIOD_NS, number * PERIOD_NS))
        if number % 5:
            stamp = number * PERIOD_NS + 4 * MS
            frames.append(('thermal', stamp, stamp))
    pairs, bag, heard = paired(tmp_path / 'drive', frames)
    assert pairs == [(number * PERIOD_NS + 4 * MS, number * PERIOD_NS)
                     for number in range(20) if number % 5]
    counts = bag.counts
    assert (counts['received.rgb'], counts['received.thermal'], counts['paired']) == (20, 16, 16)
    assert counts['dropped.rgb.no_partner'] == 4
    assert sum(count for key, count in counts.items() if key.startswith('dropped')) == 4
    assert heard.count('rgb') == 20 and bag.messages == 36
    assert bag.took_ms['read'] > 0 and bag.took_ms['pair'] > 0


@pytest.mark.parametrize('late_ms, made', [(200, 1), (300, 0)])
def test_a_partner_that_comes_too_late_is_too_late_here_too(tmp_path, late_ms, made):
    frames = [('rgb', 0, 0), ('rgb', PERIOD_NS, PERIOD_NS), ('thermal', 0, late_ms * MS)]
    pairs, *_ = paired(tmp_path / 'drive', frames)
    assert len(pairs) == made


def test_images_over_the_limit_are_malformed(tmp_path):
    with BagWriter(tmp_path / 'drive') as bag:
        for topic in ('/rgb', '/thermal'):
            bag.add_image(topic, np.zeros((100, 101), np.uint8), 'mono8', START_NS, '')
    source = BagSource(tmp_path / 'drive')
    flow = BagFlow(source, choose(source.topics, {}),
                   Settings().changed({'input.max_megapixels': 0.01}), LabelBook(('a',)),
                   lambda camera: None)
    assert not list(flow.jobs()) and flow.counts['dropped.rgb.malformed'] == 1
    assert 'more than 10000 pixels' in flow.problem


def test_labels_that_cannot_be_read_are_refused(tmp_path):
    path = tmp_path / 'drive'
    with BagWriter(path) as bag:
        for topic in ('/rgb', '/thermal'):
            bag.add_image(topic, still(0, 'rgb'), 'mono8', START_NS, '')
        bag.add_compressed('/label/compressed', b'no image', 'png', START_NS, '')
    source = BagSource(path)
    labels = LabelBook(('a',))
    flow = BagFlow(source, choose(source.topics, {}), Settings(), labels, lambda camera: None)
    assert len(list(flow.jobs())) == 1
    assert labels.counts == {'received': 1, 'compared': 0, 'refused': 1}


def stream(count, without=(), **images):
    """Ten pairs a second, thermal 4 ms late; in `without` it is missing."""
    frames = []
    for number in range(count):
        at = number * PERIOD_NS
        frames.append(('rgb', at, at, number))
        if number not in without:
            frames.append(('thermal', at + 4 * MS, at + 4 * MS, images.get('thermal', number)))
    return frames


def test_a_camera_that_is_missing_leaves_the_other_alone(tmp_path):
    flow, _ = flow_of(tmp_path / 'drive', stream(40, without=range(12, 28)))
    jobs = list(flow.jobs())
    modes = [job.mode for job in jobs]
    assert modes[:10] == ['FUSED'] * 10 and modes[-5:] == ['FUSED'] * 5
    alone = [job for job in jobs if job.pair is None]
    assert 5 < len(alone) <= 19 and {job.camera for job in alone} == {'rgb'}
    assert {job.mode for job in alone} <= {'RGB_ONLY', 'THERMAL_FROZEN'}
    stamps = [job.reference.stamp_ns for job in jobs]
    assert stamps == sorted(set(stamps))


def test_a_frozen_thermal_camera_is_not_fused(tmp_path):
    frames = stream(10) + [
        (topic, stamp + 10 * PERIOD_NS, logged + 10 * PERIOD_NS, image)
        for topic, stamp, logged, image in stream(10, thermal=9)]
    for number, (topic, *times, image) in enumerate(frames[20:]):
        frames[20 + number] = (topic, *times, image if topic == 'thermal' else 10 + image)
    flow, _ = flow_of(tmp_path / 'drive', frames)
    modes = [job.mode for job in flow.jobs()]
    assert flow.counts['dropped.thermal.frozen'] >= 6
    assert modes[:10] == ['FUSED'] * 10 and 'THERMAL_FROZEN' in modes[10:]


def test_static_transforms_of_a_bag_are_kept_by_child_frame(tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    place = types['geometry_msgs/msg/TransformStamped'](
        header=types['std_msgs/msg/Header'](
            stamp=types['builtin_interfaces/msg/Time'](sec=0, nanosec=0), frame_id='rgb_optical'),
        child_frame_id='thermal_optical',
        transform=types['geometry_msgs/msg/Transform'](
            translation=types['geometry_msgs/msg/Vector3'](x=0.1, y=0.0, z=0.0),
            rotation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0)))
    data = store.serialize_cdr(types[TF_MESSAGE](transforms=[place]), TF_MESSAGE)
    with BagWriter(tmp_path / 'bag') as bag:
        bag.add_serialized('/tf_static', TF_MESSAGE, START_NS, bytes(data))
        for topic in ('rgb', 'thermal'):
            bag.add_image(f'/{topic}', still(0, topic), 'mono8', START_NS, '', START_NS)
    source = BagSource(tmp_path / 'bag')
    flow = BagFlow(source, choose(source.topics, {}), Settings(), LabelBook(('a',)),
                   lambda camera: None)
    assert len([job for job in flow.jobs() if job.pair]) == 1
    assert between(flow.transforms, 'rgb_optical', 'thermal_optical') == (
        (0.1, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def test_a_delay_of_the_stamps_is_measured_in_a_replay_as_in_the_node(tmp_path):
    rng = np.random.default_rng(0)
    texture = np.repeat(rng.integers(0, 256, (24, 60)).astype(np.uint8), 15, axis=1)
    moved = 0.0
    with BagWriter(tmp_path / 'bag') as bag:
        for number in range(15 * 20):
            logged = START_NS + number * 50 * MS
            moved += max(0.0, rng.normal(0, 3))
            for topic, late_ms in (('rgb', 0), ('thermal', 110)):
                image = texture[:, int(moved):int(moved) + 32]
                bag.add_image(f'/{topic}', image, 'mono8', logged + late_ms * MS, '', logged)
    source = BagSource(tmp_path / 'bag')
    flow = BagFlow(source, choose(source.topics, {}),
                   Settings().changed({'sync.estimate_offset': True}), LabelBook(('a',)),
                   lambda camera: None)
    skews = [job.pair.skew_ns / MS for job in flow.jobs() if job.pair]
    assert len(skews) > 40 and set(skews[-40:]) == {110.0}
