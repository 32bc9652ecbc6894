"""The results' file holds every pixel and stamp, or is not there."""

from __future__ import annotations

import numpy as np
import pytest
from toy_bags import storage_file
from toy_bags import write

from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import image_stamp_ns
from uaafusion_ros.evaluation.bags import info_size
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.evaluation.bags import read_messages
from uaafusion_ros.evaluation.mcap_stream import fault
from uaafusion_ros.evaluation.replay.recording import FUSED
from uaafusion_ros.evaluation.replay.recording import INFO
from uaafusion_ros.evaluation.replay.recording import MASK
from uaafusion_ros.evaluation.replay.recording import OVERLAY
from uaafusion_ros.evaluation.replay.recording import Recording
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FusionResult

STAMP_NS = 1_700_000_000_999_999_999
RNG = np.random.default_rng(0)


def result(height=72, width=96):
    return FusionResult(
        RNG.integers(0, 256, (height, width, 3), np.uint8),
        RNG.integers(0, 9, (height, width), np.uint8), np.zeros((height, width), np.uint8))


def info(tmp_path):
    bag = write(tmp_path / 'with_info', count=1)
    return next(message.data for message in read_messages(storage_file(bag))
                if message.type_name == CAMERA_INFO)


def test_one_file_has_all_topics_bit_for_bit(tmp_path):
    one, drawn = result(), RNG.integers(0, 256, (72, 96, 3), np.uint8)
    path = tmp_path / 'output.mcap'
    data = info(tmp_path)
    with Recording(path) as recording:
        recording.add(Frame(None, STAMP_NS, 'rgb_frame', 'rgb8'), one, drawn, data)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['output.mcap', 'with_info']
    assert fault(path) == ''
    found = {topic: frame for topic, _, frame in read_images(path)}
    assert list(found) == [FUSED, MASK, OVERLAY]
    for topic, image in ((FUSED, one.fused), (MASK, one.mask), (OVERLAY, drawn)):
        assert np.array_equal(found[topic].array, image)
        assert (found[topic].stamp_ns, found[topic].frame_id) == (STAMP_NS, 'rgb_frame')
    last = list(read_messages(path))[-1]
    assert last.topic == INFO and image_stamp_ns(last.data) == STAMP_NS
    assert info_size(last.data) == (72, 96)


def test_a_calibration_of_another_size_is_left_out(tmp_path):
    one = result(64, 64)
    with Recording(tmp_path / 'output.mcap') as recording:
        recording.add(Frame(None, STAMP_NS, '', 'rgb8'), one, one.fused, info(tmp_path))
    assert INFO not in {message.topic for message in read_messages(tmp_path / 'output.mcap')}


def test_an_interrupted_run_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with Recording(tmp_path / 'output.mcap'):
            raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())
