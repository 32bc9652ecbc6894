"""The node's parameter files mean the same without ROS."""

from __future__ import annotations

import numpy as np
import pytest

from uaafusion_ros import share
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import camera_info_of
from uaafusion_ros.evaluation.bags import read_messages
from uaafusion_ros.evaluation.calibration import pinhole_guess
from uaafusion_ros.evaluation.replay.settings import described
from uaafusion_ros.evaluation.replay.settings import read_settings
from uaafusion_ros.evaluation.replay.settings import sha256_of
from uaafusion_ros.evaluation.replay.settings import shipped_precision
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.settings import Settings


def file(tmp_path, text):
    path = tmp_path / 'my.yaml'
    path.write_text(text)
    return path


def settings(tmp_path, text):
    return read_settings(file(tmp_path, text), {})


def test_the_defaults_are_those_of_the_node():
    assert read_settings(None, {}) == Settings()
    assert read_settings(share.path('config', 'fusion.yaml'), {}) == Settings()


@pytest.mark.parametrize('key', ['/**/fusion_node', '/robot/fusion_node', 'fusion_node', '/**'])
def test_nested_and_dotted_names_are_read(tmp_path, key):
    values = settings(tmp_path, f'{key}:\n  ros__parameters:\n    sync: {{slop_ms: 7}}\n'
                                '    overlay.alpha: 0.25\n    use_sim_time: true\n'
                                '    start_type_description_service: true\n')
    assert values == Settings().changed({'sync.slop_ms': 7.0, 'overlay.alpha': 0.25})
    assert type(values.sync.slop_ms) is float


def test_overrides_come_last_and_the_hash_follows_the_values(tmp_path):
    path = file(tmp_path, 'fusion_node: {ros__parameters: {model.preset: a}}')
    assert read_settings(path, {}).model.preset == 'a'
    settings = read_settings(path, {'model.preset': 'fast'})
    assert settings == Settings()
    assert sha256_of(settings.values()) == sha256_of(Settings().values()) != sha256_of(
        read_settings(path, {}).values())


@pytest.mark.parametrize('text, said', [
    ('fusion_node: {ros__parameters: {sync.slop: 7.0}}', "'sync.slop'; did you mean"),
    ('fusion_node: {ros__parameters: {sync.slop_ms: fast}}', 'sync.slop_ms = .fast. is refused'),
    ('fusion_node: {ros__parameters: {autostart: 1}}', 'autostart = 1 is refused'),
    ('fusion_node: {ros__parameters: {thermal.percentiles: [1.0]}}', 'thermal.percentiles'),
    ('fusion_node: {ros__parameters: {sync.slop_ms: 200}}',
     'sync.slop_ms = 200 is refused; accepted is a finite number, 0.0 to 100.0 ms'),
    ('fusion_node: {ros__parameters: {engine.backend: magic, overlay.alpha: 2.0}}',
     'one of auto, .*; overlay.alpha = 2.0'),
    ('fusion_node: {ros__parameters: {sync.policy: exact}}', 'nearest'),
    ('other_node: {ros__parameters: {}}', 'no parameters of fusion_node'),
    ('[1, 2]', 'no parameters of fusion_node'),
    ('a: [', 'cannot be read as YAML'),
])
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(ParameterError, match=said):
        settings(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match='nowhere.yaml cannot be read'):
        read_settings(tmp_path / 'nowhere.yaml', {})


def test_files_are_described_by_their_content(tmp_path):
    path = tmp_path / 'deep' / 'map.yaml'
    path.parent.mkdir()
    path.write_text('a')
    values = read_settings(None, {'registration.file': str(path), 'engine.cache': '/tmp/x'})
    found = described(values)
    assert found['registration.file'] == 'map.yaml (ca978112ca1bbdca)'
    assert found['engine.cache'] == found['model.path'] == ''


def test_a_plane_takes_the_calibrations_of_a_bag(tmp_path):
    settings = read_settings(None, {'registration.mode': 'plane'}).registration
    with BagWriter(tmp_path / 'bag') as bag:
        bag.add_camera_info('/i', 40, 30, 1, '', pinhole_guess(40, 30))
    message, = read_messages(tmp_path / 'bag')
    info = camera_info_of(message.data)
    registration = load(settings, {'thermal': info, 'rgb': info})
    image = np.random.default_rng(0).integers(0, 256, (30, 40), np.uint8)
    assert np.array_equal(registration.apply(image, (30, 40)).image, image)
    with pytest.raises(RegistrationError, match='calibration of rgb'):
        load(settings, {'thermal': info})


def test_the_precision_of_a_shipped_model_is_known():
    import yaml
    entry = yaml.safe_load(share.path('models', 'models.yaml').read_text())['models']['fast']
    assert shipped_precision(entry['sha256']) == entry['precision']
    assert shipped_precision('0') == 'unknown'
