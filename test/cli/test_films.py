"""A film of each camera is fused, and made into a bag, like folders of its images."""

import os
from pathlib import Path
import shutil

import cv2
import numpy as np
import pytest

from uaafusion_ros import pipeline
from uaafusion_ros.cli.main import main
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.harness.pictures import STILLS

COUNT, RATE, SIZE = 4, 8, (64, 48)


class Mirror:
    """Not a model: gives both inputs back."""

    def infer(self, rgb, thermal):
        return EngineOutput(rgb, thermal, thermal)

    def close(self):
        pass


def image(number, camera):
    """Return part of a real image: colours for rgb, counts of 14 bits for thermal."""
    gray = cv2.imread(str(STILLS / camera / '11.png'), cv2.IMREAD_GRAYSCALE)
    gray = cv2.resize(gray[100:400, 20 + 9 * number:420 + 9 * number], SIZE)
    if camera == 'thermal':
        return 7000 + gray.astype(np.uint16) * 9
    return cv2.applyColorMap(gray, cv2.COLORMAP_OCEAN)


def film(path, images, rate=RATE):
    """Write a lossless film."""
    settings = [cv2.VIDEOWRITER_PROP_IS_COLOR, int(images[0].ndim == 3)]
    deep = images[0].dtype == np.uint16
    if deep:
        settings += [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U]
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*'FFV1'), rate, SIZE, settings)
    if deep and not writer.isOpened():
        pytest.skip(f'OpenCV {cv2.__version__} writes no film of 16 bits')
    assert writer.isOpened()
    for one in images:
        writer.write(one)
    writer.release()


@pytest.fixture
def folder(tmp_path):
    for camera in ('rgb', 'thermal'):
        film(tmp_path / f'{camera}.mkv', [image(k, camera) for k in range(COUNT)])
    return tmp_path


def fuse(folder, rgb='rgb.mkv', thermal='thermal.mkv'):
    return main(['fuse', '--rgb', str(folder / rgb), '--thermal', str(folder / thermal),
                 '--out', str(folder / 'out')])


def test_films_are_fused_image_by_image(folder, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, 'load_backend', lambda **_: Mirror())
    assert fuse(folder) == 0
    assert f'fused {COUNT} of {COUNT} pairs' in capsys.readouterr().out
    assert sorted(path.name for path in (folder / 'out').iterdir()) == sorted(
        f'{k:06}{end}.png' for k in range(COUNT) for end in ('', '_mask'))
    for number in range(COUNT):
        got = cv2.imread(str(folder / 'out' / f'{number:06}.png'))
        assert np.abs(got.astype(int) - image(number, 'rgb')).mean() < 2


def test_a_bag_of_films_keeps_16_bits_and_the_rate(folder):
    assert main(['make-bag', str(folder), '--out', str(folder / 'bag')]) == 0
    found = {'rgb': [], 'thermal': []}
    for topic, _, frame in read_images(folder / 'bag'):
        found[topic.split('/')[1]].append(frame)
    for number, frame in enumerate(found['thermal']):
        np.testing.assert_array_equal(frame.array, image(number, 'thermal'))
    stamps = [frame.stamp_ns for frame in found['rgb']]
    assert np.diff(stamps).tolist() == [10**9 // RATE] * (COUNT - 1)
    assert not [path for path in folder.iterdir() if path.name.startswith('.')]


@pytest.mark.parametrize('name', [b'stra\xdfe.mkv', 'Höhe.mkv'.encode()])
def test_names_of_any_bytes_will_do(folder, monkeypatch, name):
    monkeypatch.setattr(pipeline, 'load_backend', lambda **_: Mirror())
    shutil.move(folder / 'rgb.mkv', Path(os.fsdecode(os.fsencode(folder) + b'/' + name)))
    assert fuse(folder, rgb=os.fsdecode(name)) == 0


def _no_film(folder):
    (folder / 'rgb.mp4').write_bytes(b'\0\0\0\x18ftypmp42')
    return 'rgb.mp4', 'rgb.mp4 cannot be read as a film'


def _empty(folder):
    (folder / 'rgb.avi').write_bytes(b'')
    return 'rgb.avi', 'rgb.avi cannot be read as a film'


def _other_rate(folder):
    film(folder / 'fast.mkv', [image(k, 'rgb') for k in range(COUNT)], 3 * RATE)
    return 'fast.mkv', 'different numbers of images a second'


@pytest.mark.parametrize('spoil', [_no_film, _empty, _other_rate])
def test_what_is_no_film_of_a_pair_ends_in_one_line(folder, capfd, spoil):
    rgb, said = spoil(folder)
    assert fuse(folder, rgb=rgb) == 2
    error = capfd.readouterr().err
    assert said in error and 'Traceback' not in error
