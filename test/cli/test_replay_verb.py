"""`uaafusion replay`: exit codes and sentences, from a bag that `make-bag` made."""

from __future__ import annotations

import json
import shutil

import cv2
import pytest

from uaafusion_ros.cli.main import main
from uaafusion_ros.harness.pictures import STILLS


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """Make a bag of small versions of the shipped stills."""
    folder = tmp_path_factory.mktemp('data')
    for camera in ('rgb', 'thermal'):
        (folder / camera).mkdir()
        for path in sorted((STILLS / camera).glob('*.png'))[:3]:
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[:288, :384]
            cv2.imwrite(str(folder / camera / path.name), cv2.resize(image, (96, 72)))
    assert main(['make-bag', str(folder), '--out', str(folder / 'drive')]) == 0
    return folder / 'drive'


@pytest.fixture
def bag(made, tmp_path):
    return shutil.copytree(made, tmp_path / 'drive')


def run(tmp_path, *arguments):
    return main(['replay', *map(str, arguments), '--out', str(tmp_path / 'out'),
                 '--backend', 'onnxruntime', '--threads', '1'])


def said(capsys):
    out, err = capsys.readouterr()
    return out, [line for line in err.replace('\r', '\n').splitlines()
                 if line.startswith('uaafusion replay: ')]


def test_a_whole_bag_is_0_and_what_was_chosen_is_printed(bag, tmp_path, capsys):
    assert run(tmp_path, bag) == 0
    out, err = capsys.readouterr()
    assert 'drive: 3 pairs fused, complete, verdict none; see ' in out
    assert 'thermal: /thermal/image_raw (its name says so)' in err and 'Traceback' not in err


def test_thresholds_decide_the_code(bag, tmp_path, capsys):
    limits = tmp_path / 'limits.yaml'
    limits.write_text('- {metric: EN, minimum: 1}')
    assert run(tmp_path, bag, '--thresholds', limits) == 0
    assert 'pass: EN mean is' in capsys.readouterr().out
    limits.write_text('- {metric: EN, minimum: 1}\n- {metric: fused, minimum: 4}')
    assert run(tmp_path, bag, '--thresholds', limits) == 1
    assert 'FAIL: fused value is 3; asked is at least 4' in capsys.readouterr().out


def test_a_truncated_bag_is_1_with_a_sentence(bag, tmp_path, capsys):
    file = next(bag.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:-100])
    assert run(tmp_path, bag) == 1
    out, (line,) = said(capsys)
    assert 'the bag drive is truncated' in line
    assert 'messages of the chosen topics were read' in line
    assert ', partial, ' in out
    metrics = json.loads((tmp_path / 'out' / 'drive' / 'metrics.json').read_text())
    assert metrics['status'] == 'partial'


@pytest.mark.parametrize('arguments, text', [
    (['--rgb-topic', '/nowhere'], 'it has /rgb/image_raw, /thermal/image_raw'),
    (['--rate', '3'], '--rate is the speed of --live'),
    (['--every', '0'], 'every is 0'),
    (['--preset', 'nowhere'], "model 'nowhere' is not shipped"),
    (['--config', 'nowhere.yaml'], 'nowhere.yaml cannot be read'),
])
def test_what_cannot_be_done_is_2_with_one_sentence(bag, tmp_path, capsys, arguments, text):
    assert run(tmp_path, bag, *arguments) == 2
    _, lines = said(capsys)
    assert len(lines) == 1 and text in lines[0]


def test_one_bad_bag_does_not_stop_the_others(bag, tmp_path, capsys):
    assert run(tmp_path, tmp_path / 'missing', bag) == 2
    out, (line,) = said(capsys)
    assert 'there is no bag' in line and 'drive: 3 pairs fused' in out


def test_two_bags_of_one_name_are_refused(bag, tmp_path, capsys):
    other = shutil.copytree(bag, tmp_path / 'other' / 'drive')
    assert run(tmp_path, bag, other) == 2
    _, (line,) = said(capsys)
    assert 'are both called drive' in line and not (tmp_path / 'out').exists()
