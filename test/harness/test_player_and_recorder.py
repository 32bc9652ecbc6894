"""Player and recorder, each in its own process over DDS: what is played is what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
import time

import numpy as np
import pytest

from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import read_messages
from uaafusion_ros.evaluation.bags import RELIABLE_QOS
from uaafusion_ros.harness.processes import Process
from uaafusion_ros.harness.processes import ros_environment
from uaafusion_ros.harness.topics import FUSED_TOPIC
from uaafusion_ros.harness.topics import MASK_TOPIC

pytest.importorskip('rclpy')
pytestmark = pytest.mark.ros

COUNT = 12
START_NS = 1_700_000_000_000_000_001
PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds.xml'


@pytest.fixture
def environment(domain, tmp_path):
    return ros_environment(domain, PROFILE, tmp_path)


@pytest.fixture
def bag(tmp_path):
    path = tmp_path / 'in'
    rng = np.random.default_rng(0)
    with BagWriter(path, RELIABLE_QOS) as writer:
        for number in range(COUNT):
            stamp_ns = START_NS + number * 500_000_000
            image = rng.integers(0, 256, (288, 384, 3), np.uint8)
            writer.add_image(FUSED_TOPIC, image, 'rgb8', stamp_ns, 'a')
            writer.add_image(MASK_TOPIC, image[..., 0].copy(), 'mono8', stamp_ns + 3, 'a')
    return path


def play(bag, environment, tmp_path, *arguments):
    return Process(['-m', 'uaafusion_ros.harness.player', str(bag), *arguments], environment,
                   tmp_path / 'player.txt')


def record(environment, tmp_path):
    return Process(
        ['-m', 'uaafusion_ros.harness.recorder', '--bag', str(tmp_path / 'out'), '--topics',
         FUSED_TOPIC, MASK_TOPIC], environment, tmp_path / 'recorder.txt')


def wait(process):
    deadline = time.monotonic() + 30
    while process.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return process.stop()


def test_every_byte_and_stamp_arrives_at_the_rate_asked_for(bag, environment, tmp_path):
    recorder = record(environment, tmp_path)
    with recorder, play(
            bag, environment, tmp_path, '--rate', '20', '--log', str(tmp_path / 'sent.json')
    ) as player:
        assert wait(player) == 0, player.last_words()
        assert recorder.stop() == 0, recorder.last_words()
    assert player.events() == [{'sent': {FUSED_TOPIC: COUNT, MASK_TOPIC: COUNT}}]
    played, recorded = list(read_messages(bag)), list(read_messages(tmp_path / 'out'))
    for topic in (FUSED_TOPIC, MASK_TOPIC):
        # The first four bytes are the transport's own, not the message's.
        assert [m.data[4:] for m in recorded if m.topic == topic] == [
            m.data[4:] for m in played if m.topic == topic]
    fused = [event for event in recorder.events() if event.get('image') == FUSED_TOPIC]
    assert [event['stamp'] for event in fused] == [
        START_NS + number * 500_000_000 for number in range(COUNT)]
    sent = {stamp: at for topic, stamp, at in json.loads((tmp_path / 'sent.json').read_text())
            if topic == FUSED_TOPIC}
    assert all(0 < event['arrived'] - sent[event['stamp']] < 1e9 for event in fused)
    times = sorted(sent.values())
    assert (times[-1] - times[0]) * 1e-9 == pytest.approx((COUNT - 1) / 20, abs=0.2)


def test_nobody_listening_ends_in_one_line(bag, environment, tmp_path):
    with play(bag, environment, tmp_path, '--wait', '0.2') as player:
        assert wait(player) == 2
        assert player.events() == [{'sent': {}}]
        assert 'no subscriber on /fused/image, /segmentation/mask' in player.last_words()


def test_a_truncated_bag_ends_in_one_line(bag, environment, tmp_path):
    file, = bag.glob('*.mcap')
    file.write_bytes(file.read_bytes()[:-40])
    with play(bag, environment, tmp_path) as player:
        assert wait(player) == 2
        assert 'it may be truncated' in player.last_words()
        assert len(player.log.read_text().splitlines()) == 1


def test_an_interrupted_recorder_leaves_a_whole_bag(bag, environment, tmp_path):
    recorder = record(environment, tmp_path)
    with recorder, play(bag, environment, tmp_path, '--rate', '5') as player:
        while not any('image' in event for event in recorder.events()):
            assert player.exit_code is None
            time.sleep(0.02)
        assert recorder.stop() == 0
        assert player.stop() == 130
    assert any(m.topic == FUSED_TOPIC for m in read_messages(tmp_path / 'out'))
