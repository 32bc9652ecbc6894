"""What the launch files start, by upstream's `launch` where it is installed and a stand-in."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import launch_stand_in
import pytest

from uaafusion_ros.errors import ParameterError

ROOT = Path(__file__).resolve().parents[1]
STARTED = SimpleNamespace(is_shutdown=False)


@pytest.fixture(params=['stand-in', 'upstream'])
def start(request, monkeypatch):
    """Return a function that evaluates a launch file and returns the commands it would start."""
    if request.param == 'stand-in':
        def run(name, **arguments):
            with launch_stand_in.installed(monkeypatch, []):
                started = launch_stand_in.start(ROOT / 'launch' / name, arguments)
            return [command for _, command in started]
        return run
    if not find_spec('launch_ros'):
        pytest.skip('a ROS distribution is needed')
    packages = pytest.importorskip('ament_index_python.packages')
    try:
        packages.get_package_prefix('uaafusion_ros')
    except packages.PackageNotFoundError:
        pytest.skip('the package is not installed in this ROS environment')

    def run(name, **arguments):
        from launch import LaunchContext
        from launch.actions import ExecuteLocal
        from launch.actions import IncludeLaunchDescription
        from launch.launch_description_sources import PythonLaunchDescriptionSource
        commands = []

        def execute(self, context):
            self.prepare(context)
            commands.append(list(self.process_details['cmd']))

        monkeypatch.setattr(ExecuteLocal, 'execute', execute)
        context = LaunchContext()

        def visit(entity):
            for each in entity.visit(context) or ():
                visit(each)

        visit(IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(ROOT / 'launch' / name)),
            launch_arguments=arguments.items()))
        return commands
    return run


def remapped(command):
    """Return what the command remaps, the node's name and namespace too."""
    return dict(text.split(':=') for flag, text in zip(command, command[1:]) if flag == '-r')


def parameter_files(command):
    return [text for flag, text in zip(command, command[1:]) if flag == '--params-file']


def test_no_argument_of_a_pair_reaches_the_next(start, tmp_path):
    """The second says nothing but its namespace, and listens to its own cameras."""
    own = tmp_path / 'own.yaml'
    own.write_text('/**: {ros__parameters: {sync.slop_ms: 3.0}}')
    pairs = tmp_path / 'pairs.yaml'
    pairs.write_text(
        'cameras: [{namespace: a, thermal_topic: /boson/image_raw, rgb_info_topic: /zed/info, '
        'params_file: own.yaml, log_level: debug, node_name: eyes}, {namespace: b}]')
    # A thermal_topic of the launch around it is not for a pair either.
    one, other = start('multi_fusion.launch.py', cameras=str(pairs), thermal_topic='/theirs/image')
    assert remapped(one) == {
        '__node': 'eyes', '__ns': '/a', 'thermal/image_raw': '/boson/image_raw',
        'thermal/camera_info': '/boson/camera_info', 'rgb/image_raw': 'rgb/image_raw',
        'rgb/camera_info': '/zed/info'}
    assert remapped(other) == {
        '__node': 'fusion_node', '__ns': '/b', 'thermal/image_raw': 'thermal/image_raw',
        'thermal/camera_info': 'thermal/camera_info', 'rgb/image_raw': 'rgb/image_raw',
        'rgb/camera_info': 'rgb/camera_info'}
    assert str(own) in parameter_files(one) and str(own) not in parameter_files(other)
    assert 'debug' in one and 'info' in other


def test_the_shipped_pairs_keep_their_calibrations(start):
    front, rear = start('multi_fusion.launch.py', cameras=str(ROOT / 'config/cameras.yaml'))
    assert remapped(front)['rgb/camera_info'] == 'zed/rgb/camera_info'
    assert remapped(rear)['rgb/camera_info'] == '/rear_camera/camera_info'


def test_build_only_builds_and_starts_no_node(start):
    command, = start('fusion.launch.py', build_only='true')
    assert 'build-engine' in command and '640x480' in command


@pytest.mark.parametrize('content', [None, 'other: {ros__parameters: {autostart: true}}'])
def test_a_parameter_file_that_the_node_would_ignore_ends_the_launch(start, tmp_path, content):
    path = tmp_path / 'mistyped.yaml'
    if content:
        path.write_text(content)
    with pytest.raises(ParameterError, match='mistyped.yaml'):
        start('fusion.launch.py', params_file=str(path))


def test_a_wrong_parameter_ends_the_launch(start):
    with pytest.raises(ParameterError, match='did you mean'):
        start('fusion.launch.py', parameters='{sync.slop: 3.0}')


@pytest.mark.parametrize('argument, value', [
    ('build_only', 'yes'), ('use_sim_time', 'maybe'), ('rviz', '1'), ('use_respawn', 'no'),
    ('autostart', 'never'), ('log_level', 'banana'), ('backend', 'cuda')])
def test_a_value_outside_of_the_choices_is_refused(start, argument, value):
    with pytest.raises(RuntimeError, match=argument):
        start('fusion.launch.py', **{argument: value})


@pytest.fixture
def node(monkeypatch):
    """Return a function that returns the action of the node, and what the launch file logged."""
    def run(**arguments):
        said = []
        with launch_stand_in.installed(monkeypatch, said):
            (action, _), = launch_stand_in.start(ROOT / 'launch/fusion.launch.py', arguments)
        return action.kwargs, said
    return run


def test_without_rviz2_the_node_runs_and_its_package_is_named(node):
    made, said = node(rviz='true')
    assert made['executable'] == 'fusion_node'
    assert len(said) == 1 and 'rviz2' in said[0] and 'apt install' in said[0]


@pytest.mark.parametrize('code, words', [(1, 'exit code 1'), (-9, 'signal 9')])
def test_a_dead_node_fails_the_launch(node, code, words):
    made, _ = node()
    with pytest.raises(RuntimeError, match=words):
        made['on_exit'](SimpleNamespace(returncode=code), STARTED)


def test_a_respawned_node_fails_it_for_wrong_arguments_only(node):
    made, _ = node(use_respawn='True')
    assert made['respawn']
    assert made['on_exit'](SimpleNamespace(returncode=-9), STARTED) is None
    with pytest.raises(RuntimeError):
        made['on_exit'](SimpleNamespace(returncode=2), STARTED)


def test_the_end_of_the_node_ends_the_launch(node):
    made, _ = node()
    end = made['on_exit'](SimpleNamespace(returncode=0), STARTED)
    assert type(end).__name__ == 'Shutdown'
    assert made['on_exit'](
        SimpleNamespace(returncode=-2), SimpleNamespace(is_shutdown=True)) is None


def test_arguments_stand_over_the_parameter_file(node):
    made, _ = node(autostart='false', parameters='{sync: {slop_ms: 3}}')
    given = made['parameters'][-1]
    assert (given['autostart'], given['sync.slop_ms'], given['use_sim_time']) == (
        False, 3.0, False)
