"""In a workspace on a ROS distribution: launch files, parameters, exit codes as a user has them.

Needs the package built and its install/setup.bash sourced, beside launch, launch_ros and ros2cli.
"""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import signal
import subprocess
import time

import pytest
from robot import until

launch = pytest.importorskip('launch', reason='a ROS distribution is needed')
pytest.importorskip('launch_ros', reason='a ROS distribution is needed')

pytestmark = pytest.mark.ros
LAUNCH = Path(__file__).resolve().parents[2] / 'launch/fusion.launch.py'
# No daemon that outlives the test; and a busy machine finds a node late.
DIRECT = ('--no-daemon', '--spin-time', '5')


def test_the_description_declares_its_arguments():
    """The file loads and every argument has a default, so that none must be given."""
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    source = PythonLaunchDescriptionSource(str(LAUNCH))
    description = source.try_get_launch_description_without_context()
    arguments = {item.name: item for item in description.get_launch_arguments()}
    assert {'namespace', 'thermal_topic', 'rgb_topic', 'params_file', 'backend', 'rviz',
            'use_sim_time', 'log_level'} <= set(arguments)
    assert all(item.default_value is not None and item.description
               for item in arguments.values())


def ros2(*arguments):
    """Run the ros2 command to its end."""
    return subprocess.run(['ros2', *map(str, arguments)], check=False, capture_output=True,
                          text=True, timeout=60.0)


@pytest.fixture(scope='module')
def installed():
    """Skip where the package is not installed as ROS has it."""
    if shutil.which('ros2') is None:
        pytest.skip('the ros2 command is needed')
    if ros2('pkg', 'prefix', 'uaafusion_ros').returncode:
        pytest.skip('the package is not installed in this ROS environment')


@pytest.fixture
def launched(installed, robot):
    """Return a function that launches a file, waits for its nodes, and returns the process."""
    started = []

    def start(*arguments, file='fusion.launch.py', nodes=('/fusion_node',)):
        started.append(subprocess.Popen(
            ['ros2', 'launch', 'uaafusion_ros', file, 'backend:=onnxruntime', *arguments]))
        for node in nodes:
            assert until(lambda: robot.listener.values(node).get('state') == 'active',  # noqa: B023
                         60.0), node
        return started[-1]

    yield start
    for child in started:
        child.send_signal(signal.SIGINT)
        child.wait(20.0)


def node_of(child):
    """Return the process id of the node that a launch runs, 0 while there is none."""
    found = Path(f'/proc/{child.pid}/task/{child.pid}/children').read_text().split()
    nodes = [pid for pid in found
             if b'fusion_node' in Path(f'/proc/{pid}/cmdline').read_bytes()]
    return int(nodes[0]) if nodes else 0


def test_the_launched_node_fuses_in_its_namespace(robot, launched):
    """Active, fed, heard, and ended by SIGINT with exit code 0."""
    robot.listener.hear('fused/image', namespace='/front')
    child = launched('namespace:=front', nodes=('/front/fusion_node',))
    assert robot.listener.values('/front/fusion_node')['backend'].startswith('onnxruntime')
    robot.camera('--namespace', 'front', '--rate', '5')
    assert until(lambda: robot.listener.images['/front/fused/image'])
    child.send_signal(signal.SIGINT)
    start = time.monotonic()
    assert child.wait(20.0) == 0
    assert time.monotonic() - start < 10.0


def test_two_pairs_fuse_their_own_cameras(robot, launched, tmp_path):
    """One has its topics remapped to a driver's; the other says nothing but its namespace."""
    pairs = tmp_path / 'pairs.yaml'
    pairs.write_text('cameras: [{namespace: front, thermal_topic: /driver/thermal/image_raw, '
                     'rgb_topic: /driver/rgb/image_raw}, {namespace: rear}]')
    for side in ('front', 'rear'):
        robot.listener.hear('fused/image', namespace=f'/{side}')
    launched(f'cameras:={pairs}', file='multi_fusion.launch.py',
             nodes=('/front/fusion_node', '/rear/fusion_node'))
    for namespace in ('driver', 'rear'):
        robot.camera('--namespace', namespace, '--frame', f'{namespace}_optical', '--rate', '4')
    images = robot.listener.images
    assert until(lambda: all(len(images[f'/{side}/fused/image']) > 2
                             for side in ('front', 'rear')), 30.0)
    frames = {side: {message.header.frame_id for message in images[f'/{side}/fused/image']}
              for side in ('front', 'rear')}
    assert frames == {'front': {'driver_optical'}, 'rear': {'rear_optical'}}


def test_parameters_survive_a_dump_and_a_load(robot, launched, tmp_path):
    """Of a renamed node, while it runs; and it takes the file that ships."""
    launched('node_name:=eyes', 'backend:=auto', nodes=('/eyes',))
    assert robot.listener.set('/eyes', sync__slop_ms=7.0).successful
    dump = tmp_path / 'eyes.yaml'
    dump.write_text(ros2('param', 'dump', '/eyes', *DIRECT).stdout)
    assert 'slop_ms: 7.0' in dump.read_text()
    assert robot.listener.set('/eyes', sync__slop_ms=20.0).successful
    for file in (LAUNCH.parents[1] / 'config/fusion.yaml', dump):
        done = ros2('param', 'load', '/eyes', file, *DIRECT)
        lines = (done.stdout + done.stderr).splitlines()
        assert done.returncode == 0 and [line for line in lines if 'successful' in line], lines
        # One of rclpy's own is read-only in every node.
        assert not [line for line in lines
                    if 'failed' in line and 'start_type_description_service' not in line]
    assert '7.0' in ros2('param', 'get', '/eyes', 'sync.slop_ms', *DIRECT).stdout


@pytest.mark.parametrize('arguments', [
    ['params_file:=/none.yaml'], ['use_sim_time:=maybe'], ['parameters:={sync.slop: 3.0}'],
    ['build_only:=true', 'parameters:={model.path: /none.onnx}']],
    ids=['no such file', 'no such choice', 'no such parameter', 'build fails'])
def test_a_launch_that_fails_exits_with_1(installed, domain, arguments):
    done = ros2('launch', 'uaafusion_ros', 'fusion.launch.py', *arguments)
    assert done.returncode == 1, done.stdout + done.stderr


def test_a_killed_node_ends_the_launch_with_exit_code_1(launched):
    child = launched()
    node = node_of(child)
    os.kill(node, signal.SIGKILL)
    assert child.wait(20.0) == 1


def test_a_killed_node_is_respawned_where_asked(launched):
    child = launched('use_respawn:=true')
    node = node_of(child)
    os.kill(node, signal.SIGKILL)
    assert until(lambda: node_of(child) not in (0, node), 20.0) and child.poll() is None
    # Launch signals a process that it has started only once it knows of it.
    maps = Path(f'/proc/{node_of(child)}/maps')
    assert until(lambda: 'onnxruntime' in maps.read_text(), 20.0)
