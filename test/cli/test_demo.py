"""The demo as a newcomer runs it: the real node over real topics, and no process left behind."""

from __future__ import annotations

import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time
import uuid

import cv2
import pytest

from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.harness.topics import FUSED_TOPIC
from uaafusion_ros.harness.topics import MASK_TOPIC
from uaafusion_ros.harness.topics import OVERLAY_TOPIC
from uaafusion_ros.harness.topics import RGB_TOPIC

pytest.importorskip('rclpy')
pytestmark = [pytest.mark.ros, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


def start(out, mark, *arguments):
    environment = {**os.environ, 'UAAFUSION_TEST_MARK': mark, 'PYTHONUNBUFFERED': '1'}
    return subprocess.Popen(
        [sys.executable, '-m', 'uaafusion_ros.cli.main', 'demo', '--out', str(out), *arguments],
        cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True)


def marked_processes(mark):
    """Return the command lines of all processes that inherited the mark."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            if mark.encode() in (folder / 'environ').read_bytes():
                found.append((folder / 'cmdline').read_bytes().replace(b'\0', b' ').decode())
        except OSError:
            continue
    return found


@pytest.fixture
def mark():
    return uuid.uuid4().hex


def test_the_demo_fuses_and_shows_what_it_sent(tmp_path, mark):
    out = tmp_path / 'demo'
    with start(out, mark, '--seconds', '8', '--rate', '2.5') as demo:
        printed, errors = demo.communicate(timeout=150)
    assert demo.returncode == 0, printed + errors
    assert not marked_processes(mark)

    images = {topic: {} for topic in (FUSED_TOPIC, MASK_TOPIC, OVERLAY_TOPIC)}
    sent = {frame.stamp_ns: frame for topic, _, frame in read_images(out / 'bag_in')
            if topic == RGB_TOPIC}
    for topic, _, frame in read_images(out / 'bag_out'):
        assert frame.stamp_ns in sent and frame.stamp_ns not in images[topic]
        assert frame.frame_id == sent[frame.stamp_ns].frame_id
        assert frame.array.shape[:2] == sent[frame.stamp_ns].array.shape[:2]
        images[topic][frame.stamp_ns] = frame
    assert len(sent) == 20
    assert all(len(stamps) >= 19 for stamps in images.values())

    line = printed.splitlines()[-1]
    assert re.fullmatch(
        r'pairs sent 20, received \d+, fused (19|20) \(\S+ %\), dropped: .*; '
        r'latency p50 \d+\.\d ms, p95 \d+\.\d ms', line)
    sheet = cv2.imread(str(out / 'contact_sheet.jpg'))
    assert sheet.shape[0] > 6 * 180 and sheet.shape[1] > 4 * 240
    film = cv2.VideoCapture(str(out / 'fused.mp4'))
    assert int(film.get(cv2.CAP_PROP_FRAME_COUNT)) == len(images[FUSED_TOPIC])


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process(tmp_path, mark, number):
    with start(tmp_path / 'demo', mark, '--seconds', '60') as demo:
        deadline = time.monotonic() + 60
        sent = tmp_path / 'demo' / 'log' / 'player.txt'
        while not sent.exists() and time.monotonic() < deadline and demo.poll() is None:
            time.sleep(0.1)
        time.sleep(1.0)
        assert len(marked_processes(mark)) == 4
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert errors.endswith('uaafusion demo: interrupted\n') and 'Traceback' not in errors
    assert not marked_processes(mark)


def test_a_folder_that_is_no_bag_is_not_removed(tmp_path, mark):
    stranger = tmp_path / 'bag_in' / 'thesis.txt'
    stranger.parent.mkdir()
    stranger.write_text('years of work')
    with start(tmp_path, mark) as demo:
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 2 and 'holds thesis.txt' in errors and 'Traceback' not in errors
    assert stranger.read_text() == 'years of work'


def test_a_second_run_replaces_the_first_ones_bags(tmp_path):
    from uaafusion_ros.demo.show import fresh_bag

    with BagWriter(tmp_path / 'bag') as bag:
        bag.add_camera_info('/a', 1, 1, 1, '')
    assert not fresh_bag(tmp_path / 'bag').exists()
