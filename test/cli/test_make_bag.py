"""Folders of images become a bag that holds every pixel, in order and in time."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import yaml

from uaafusion_ros.cli.main import main
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import info_size
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.evaluation.bags import read_messages
from uaafusion_ros.evaluation.calibration import pinhole_guess

RNG = np.random.default_rng(0)
RGB = {name: RNG.integers(0, 256, (48, 64, 3), np.uint8) for name in 'abc'}
THERMAL = {name: RNG.integers(0, 65536, (48, 64), np.uint16) for name in 'abc'}
LABELS = {name: RNG.integers(0, 9, (48, 64), np.uint8) for name in 'abc'}


@pytest.fixture
def folder(tmp_path):
    for kind, images in (('rgb', RGB), ('thermal', THERMAL), ('labels', LABELS)):
        (tmp_path / 'data' / kind).mkdir(parents=True)
        for name, image in images.items():
            cv2.imwrite(str(tmp_path / 'data' / kind / f'{name}.png'), image)
    return tmp_path / 'data'


def make(folder, *arguments):
    out = folder.parent / 'bag'
    return main(['make-bag', str(folder), '--out', str(out), *arguments]), out


def by_topic(bag):
    found = {}
    for topic, log_time_ns, frame in read_images(bag):
        assert log_time_ns == frame.stamp_ns
        found.setdefault(topic, []).append(frame)
    return found


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_every_image_is_in_the_bag_bit_for_bit(folder, storage):
    code, bag = make(folder, '--rate', '20', '--storage', storage)
    assert code == 0 and BagSource(bag).identity().storage == storage
    found = by_topic(bag)
    for topic, images, encoding in (
            ('/rgb/image_raw', RGB, 'bgr8'), ('/thermal/image_raw', THERMAL, 'mono16'),
            ('/label/image_raw', LABELS, 'mono8')):
        assert [frame.encoding for frame in found[topic]] == [encoding] * 3
        assert all(np.array_equal(frame.array, image)
                   for frame, image in zip(found[topic], images.values(), strict=True))
        assert np.diff([frame.stamp_ns for frame in found[topic]]).tolist() == [50_000_000] * 2


def test_compressed_images_are_smaller_and_thermal_loses_nothing(folder):
    code, bag = make(folder, '--compressed')
    found = by_topic(bag)
    assert code == 0 and set(found) == {
        '/rgb/image_raw/compressed', '/thermal/image_raw/compressed',
        '/label/image_raw/compressed'}
    thermal = found['/thermal/image_raw/compressed']
    assert all(np.array_equal(frame.array, THERMAL[name])
               for frame, name in zip(thermal, 'abc', strict=True))
    message = next(m for m in read_messages(bag) if m.topic == '/rgb/image_raw/compressed')
    assert b'\xff\xd8\xff' in message.data


def test_a_jpeg_is_taken_as_it_is(folder):
    data = cv2.imencode('.jpg', RGB['a'])[1].tobytes()
    (folder / 'rgb' / 'a.png').unlink()
    (folder / 'rgb' / 'a.jpg').write_bytes(data)
    _, bag = make(folder, '--compressed')
    message = next(m for m in read_messages(bag) if m.topic == '/rgb/image_raw/compressed')
    assert data in message.data


def test_jitter_moves_thermal_stamps_alike_every_time(folder):
    stamps = []
    for seed in ('1', '1', '2'):
        out = folder.parent / f'bag{len(stamps)}'
        assert main(['make-bag', str(folder), '--out', str(out), '--jitter-ms', '5',
                     '--seed', seed]) == 0
        found = by_topic(out)
        stamps.append([t.stamp_ns - r.stamp_ns for t, r in zip(
            found['/thermal/image_raw'], found['/rgb/image_raw'])])
    assert stamps[0] == stamps[1] != stamps[2]
    assert 0 < max(map(abs, stamps[0])) < 25_000_000


def test_missing_partners_are_named(folder, capsys):
    (folder / 'thermal' / 'b.png').unlink()
    (folder / 'labels' / 'c.png').unlink()
    code, bag = make(folder)
    out, err = capsys.readouterr()
    assert code == 1 and '2 pairs, 3 images without a partner' in out
    for name in ('rgb/b.png', 'labels/b.png', 'rgb/c.png'):
        assert f'{name} has no partner' in err
    assert {topic: len(found) for topic, found in by_topic(bag).items()} == {
        '/rgb/image_raw': 2, '/thermal/image_raw': 2, '/label/image_raw': 1}


def test_a_guessed_calibration_is_called_a_guess(folder, capsys):
    _, bag = make(folder)
    assert capsys.readouterr().out.count('is a guess, not a calibration') == 2
    infos = [m for m in read_messages(bag) if m.type_name == CAMERA_INFO]
    assert len(infos) == 6 and info_size(infos[0].data) == (48, 64)
    assert np.array(pinhole_guess(64, 48).k).tobytes() in infos[0].data


def calibration(folder, width):
    path = folder.parent / 'rgb.yaml'
    path.write_text(yaml.safe_dump({
        'image_width': width, 'image_height': 48, 'camera_name': 'rgb',
        'distortion_model': 'plumb_bob',
        'camera_matrix': {'data': [71.5, 0, 32, 0, 71.5, 24, 0, 0, 1]},
        'distortion_coefficients': {'data': [0.25] * 5},
        'rectification_matrix': {'data': [1, 0, 0, 0, 1, 0, 0, 0, 1]},
        'projection_matrix': {'data': [0] * 12}}))
    return str(path)


def test_a_given_calibration_is_written(folder, capsys):
    code, bag = make(folder, '--rgb-info', calibration(folder, 64))
    assert code == 0 and capsys.readouterr().out.count('is a guess') == 1
    info = next(m for m in read_messages(bag) if m.topic == '/rgb/camera_info')
    assert np.array([71.5, 0, 32]).tobytes() in info.data


def _other_size(folder):
    return ['--rgb-info', calibration(folder, 65)], 'rgb.yaml is for 65x48, .*a.png is 64x48'


def _no_rgb(folder):
    for path in (folder / 'rgb').iterdir():
        path.unlink()
    (folder / 'rgb').rmdir()
    return [], 'there is no folder .*rgb'


def _no_pair(folder):
    for name in 'abc':
        (folder / 'rgb' / f'{name}.png').rename(folder / 'rgb' / f'{name}1.png')
    return [], 'name both files of a pair alike'


def _coloured_label(folder):
    cv2.imwrite(str(folder / 'labels' / 'a.png'), RGB['a'])
    return [], 'labels/a.png is no image of class ids'


def _bag_exists(folder):
    (folder.parent / 'bag').mkdir()
    return [], 'exists already'


@pytest.mark.parametrize('spoil', [_other_size, _no_rgb, _no_pair, _coloured_label, _bag_exists])
def test_what_cannot_be_done_ends_in_one_sentence(folder, capsys, spoil):
    import re
    arguments, said = spoil(folder)
    code, _ = make(folder, *arguments)
    lines = [line for line in capsys.readouterr().err.replace('\r', '\n').splitlines()
             if line.startswith('uaafusion make-bag: ')]
    assert code == 2 and len(lines) == 1 and re.search(said, lines[0])


def test_odd_jitter_is_refused(folder, capsys):
    with pytest.raises(SystemExit):
        make(folder, '--jitter-ms', '-1')
    assert "'-1' is not a number of milliseconds" in capsys.readouterr().err


def test_a_terminated_run_leaves_no_half_bag(tmp_path):
    """As a robot that shuts down, or a job that runs out of time, ends it."""
    for role, image in (('rgb', np.zeros((48, 64, 3), np.uint8)),
                        ('thermal', np.zeros((48, 64), np.uint8))):
        (tmp_path / role).mkdir()
        data = cv2.imencode('.png', image)[1].tobytes()
        for index in range(4000):
            (tmp_path / role / f'{index:04d}.png').write_bytes(data)
    run = subprocess.Popen(
        [sys.executable, '-m', 'uaafusion_ros.cli.main', 'make-bag', str(tmp_path), '--out',
         str(tmp_path / 'bag')], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(tmp_path.glob('.making-*/bag/*')) and time.monotonic() < until:
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 130 and said.strip().endswith('interrupted')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['rgb', 'thermal']
