"""On a ROS distribution: the launch file brings the installed node up and down."""

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


@pytest.mark.skipif(shutil.which('ros2') is None, reason='the ros2 command is needed')
def test_the_launched_node_fuses_in_its_namespace(robot):
    """Through `ros2 launch`, with a namespace: active, fed, heard, and ended by SIGINT."""
    if subprocess.run(['ros2', 'pkg', 'prefix', 'uaafusion_ros'], check=False,
                      capture_output=True).returncode:
        pytest.skip('the package is not installed in this ROS environment')
    listener = robot.listener
    listener.hear('fused/image', namespace='/front')
    child = subprocess.Popen(['ros2', 'launch', 'uaafusion_ros', 'fusion.launch.py',
                              'namespace:=front', 'backend:=onnxruntime'])
    try:
        assert until(
            lambda: listener.values('/front/fusion_node').get('state') == 'active', 30.0)
        assert listener.values('/front/fusion_node')['backend'].startswith('onnxruntime')
        robot.camera('--namespace', 'front', '--rate', '5')
        assert until(lambda: listener.images['/front/fused/image'])
    finally:
        child.send_signal(2)
        start = time.monotonic()
        child.wait(20.0)
    assert time.monotonic() - start < 10.0


@pytest.fixture
def launched(robot):
    """Return a function that launches the node and returns the launch and the node's process."""
    if shutil.which('ros2') is None or subprocess.run(
            ['ros2', 'pkg', 'prefix', 'uaafusion_ros'], check=False,
            capture_output=True).returncode:
        pytest.skip('the package is not installed in this ROS environment')
    started = []

    def start(*arguments):
        started.append(subprocess.Popen(
            ['ros2', 'launch', 'uaafusion_ros', 'fusion.launch.py', 'backend:=onnxruntime',
             *arguments]))
        assert until(lambda: robot.listener.values('/fusion_node').get('state') == 'active', 30.0)
        return started[0], node_of(started[0])

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


def test_a_killed_node_ends_the_launch_with_exit_code_1(launched):
    child, node = launched()
    os.kill(node, signal.SIGKILL)
    assert child.wait(20.0) == 1


def test_a_killed_node_is_respawned_where_asked(launched):
    child, node = launched('use_respawn:=true')
    os.kill(node, signal.SIGKILL)
    assert until(lambda: node_of(child) not in (0, node), 20.0) and child.poll() is None
    # Launch signals a process that it has started only once it knows of it.
    maps = Path(f'/proc/{node_of(child)}/maps')
    assert until(lambda: 'onnxruntime' in maps.read_text(), 20.0)
