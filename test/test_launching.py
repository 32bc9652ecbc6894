"""Camera pairs from YAML, and what the launch files make of them."""

from __future__ import annotations

from pathlib import Path
import runpy
import sys
from types import ModuleType
from types import SimpleNamespace

import pytest

from uaafusion_ros.cli import build_engine
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.launching import build_command
from uaafusion_ros.launching import camera_pairs
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


class StandIn:
    """In the place of any class of launch and launch_ros: keeps what it was made with."""

    def __init__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs


@pytest.fixture
def launched(monkeypatch):
    """
    Run a launch file with stand-ins for launch, which no package index has.

    Returns what its opaque function makes of `arguments`.
    """
    def run(name, **arguments):
        class Configuration(StandIn):
            def perform(self, context):
                return arguments[self.args[0]]

        for module, names in {
            'launch': ('LaunchDescription',),
            'launch.actions': ('DeclareLaunchArgument', 'ExecuteProcess',
                               'IncludeLaunchDescription', 'OpaqueFunction',
                               'SetEnvironmentVariable'),
            'launch.conditions': ('IfCondition',),
            'launch.launch_description_sources': ('PythonLaunchDescriptionSource',),
            'launch.substitutions': ('EnvironmentVariable', 'PathJoinSubstitution'),
            'launch_ros': (), 'launch_ros.actions': ('Node',),
            'launch_ros.substitutions': ('FindPackageShare',),
        }.items():
            stand_in = ModuleType(module)
            for each in names:
                setattr(stand_in, each, type(each, (StandIn,), {}))
            monkeypatch.setitem(sys.modules, module, stand_in)
        sys.modules['launch.substitutions'].LaunchConfiguration = Configuration
        content = runpy.run_path(str(ROOT / 'launch' / name))
        description = content['generate_launch_description']()
        assert description.args[0]
        return content['_nodes'](SimpleNamespace())
    return run


def test_each_pair_becomes_a_launch_of_its_own(launched):
    made = launched('multi_fusion.launch.py', cameras=str(ROOT / 'config/cameras.yaml'))
    given = [dict(item.kwargs['launch_arguments']) for item in made]
    assert [each['namespace'] for each in given] == ['front', 'rear']
    assert given[0]['rgb_info_topic'] == 'zed/rgb/camera_info'
    assert all({'backend', 'use_sim_time', 'log_level'} <= set(each) for each in given)


FUSION = {'thermal_topic': 'thermal/image_raw', 'rgb_topic': 'cam/color/image',
          'thermal_info_topic': '', 'rgb_info_topic': '', 'backend': '', 'build_only': 'false',
          'params_file': str(ROOT / 'config/fusion.yaml')}


def test_the_node_gets_its_topics(launched):
    fusion, rviz = launched('fusion.launch.py', **FUSION)
    remapped = dict(fusion.kwargs['remappings'])
    assert remapped['rgb/image_raw'] == 'cam/color/image'
    assert remapped['rgb/camera_info'] == 'cam/color/camera_info'
    assert rviz.kwargs['executable'] == 'rviz2'


def test_build_only_builds_and_starts_no_node(launched):
    process, = launched('fusion.launch.py', **{**FUSION, 'build_only': 'true'})
    assert type(process).__name__ == 'ExecuteProcess'
    assert 'build-engine' in process.kwargs['cmd'] and '640x480' in process.kwargs['cmd']
