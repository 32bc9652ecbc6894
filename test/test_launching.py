"""Camera pairs from YAML, and what the launch files make of them."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest

from uaafusion_ros.cli import build_engine
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.launching import build_command
from uaafusion_ros.launching import camera_pairs
from uaafusion_ros.launching import parse_parameters
from uaafusion_ros.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


def write(folder: Path, text: str) -> Path:
    path = folder / 'cameras.yaml'
    path.write_text(text)
    return path


def test_the_shipped_list_is_read():
    pairs = camera_pairs(ROOT / 'config/cameras.yaml')
    assert [pair['namespace'] for pair in pairs] == ['front', 'rear']
    assert pairs[1]['thermal_topic'] == '/rear_lepton/image_raw'


def test_a_parameter_file_lies_beside_the_list(tmp_path):
    path = write(tmp_path, 'cameras: [{namespace: a, params_file: a.yaml}, '
                           '{namespace: b, params_file: /etc/b.yaml}]')
    assert [pair['params_file'] for pair in camera_pairs(path)] == [
        str(tmp_path / 'a.yaml'), '/etc/b.yaml']


@pytest.mark.parametrize('text, words', [
    ('', 'no list `cameras`'), ('cameras: []', 'no list `cameras`'), ('[1', 'no list of camera'),
    ('cameras: [{rgb_topic: a}]', 'pair 1 needs at least a namespace'),
    ('cameras: [front]', 'pair 1 needs at least a namespace'),
    ('cameras: [{namespace: a}, {namespace: b, rgb_topik: x}]',
     "pair 2 has the unknown key 'rgb_topik'; did you mean 'rgb_topic'"),
    ('cameras: [{namespace: a, rgb_topic: 3}]', 'rgb_topic is 3'),
    ('cameras: [{namespace: a}, {namespace: /a/}]', 'namespace a is there twice')])
def test_a_wrong_list_says_what_is_wrong(tmp_path, text, words):
    with pytest.raises(ParameterError) as error:
        camera_pairs(write(tmp_path, text))
    assert words in str(error.value)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(ParameterError, match='none.yaml'):
        camera_pairs(tmp_path / 'none.yaml')


def test_the_build_command_is_one_that_the_verb_takes():
    """With the shipped parameters, and with every one of its own set."""
    from argparse import ArgumentParser
    parser = ArgumentParser()
    build_engine.add_arguments(parser)
    settings = Settings()
    start = build_command(settings)[:4]
    assert start == [sys.executable, '-m', 'uaafusion_ros.cli.main', 'build-engine']
    options = parser.parse_args(build_command(settings)[4:])
    assert (options.preset, options.size, options.precision) == ('fast', [(480, 640)], 'fp16')
    settings = settings.changed({'engine.warmup_size': [512, 384], 'model.path': '/m.onnx',
                                 'engine.cache': '/c', 'engine.precision': 'fp32'})
    options = parser.parse_args(build_command(settings)[4:])
    assert (options.model, options.cache) == (Path('/m.onnx'), Path('/c'))
    assert (options.size, options.precision) == ([(384, 512)], 'fp32')


def test_parameters_are_a_mapping_in_yaml():
    assert parse_parameters('') == {}
    assert parse_parameters('{sync: {slop_ms: 3}, autostart: false}') == {
        'sync.slop_ms': 3, 'autostart': False}


@pytest.mark.parametrize('text', ['sync.slop_ms:=3', '[1]', '{'])
def test_other_parameters_are_refused(text):
    with pytest.raises(ParameterError):
        parse_parameters(text)
