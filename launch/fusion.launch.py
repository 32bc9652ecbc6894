"""Start fusion_node, and rviz2 if asked, with the transport and memory settings it needs.

The launch ends when the node has ended for good, and its exit code is 0 only if nothing failed.
"""

import os
from pathlib import Path

from ament_index_python.packages import get_package_prefix
from ament_index_python.packages import PackageNotFoundError
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import ExecuteProcess
from launch.actions import OpaqueFunction
from launch.actions import SetEnvironmentVariable
from launch.actions import Shutdown
from launch.logging import get_logger
from launch.substitutions import EnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from uaafusion_ros.launching import build_command
from uaafusion_ros.launching import describe_exit
from uaafusion_ros.launching import parse_parameters
from uaafusion_ros.parameter_file import read_settings
from uaafusion_ros.settings import PARAMETERS

SWITCH = ['true', 'false', 'True', 'False']

# Default, description, and what is accepted where that is a closed list.
ARGUMENTS = {
    'namespace': ('', 'Namespace of the node and of all its relative topics.', None),
    'node_name': ('fusion_node', 'Name of the node.', None),
    'thermal_topic': ('thermal/image_raw', 'Thermal images; relative to the namespace.', None),
    'thermal_info_topic': (
        '', 'Its calibration; empty is camera_info beside the images.', None),
    'rgb_topic': ('rgb/image_raw', 'RGB images; relative to the namespace.', None),
    'rgb_info_topic': ('', 'Its calibration; empty is camera_info beside the images.', None),
    'params_file': (
        PathJoinSubstitution([FindPackageShare('uaafusion_ros'), 'config', 'fusion.yaml']),
        'Parameter file; see docs/parameters.md.', None),
    'parameters': (
        '', "Parameters over those of the file, in YAML: '{sync.slop_ms: 20.0}'.", None),
    'backend': (
        '', 'Runtime instead of engine.backend of the parameter file; empty keeps that.',
        ['', *PARAMETERS['engine.backend'].choices]),
    'autostart': (
        '', 'Configure and activate at once; empty keeps what the parameter file says.',
        ['', *SWITCH]),
    'use_respawn': (
        'false', 'Start the node again 2 s after it has died, but for wrong arguments.', SWITCH),
    'build_only': (
        'false', 'Build the TensorRT engine that the parameter file asks for, then end.', SWITCH),
    'rviz': (
        'false', 'Start rviz2, where it is installed, with thermal, RGB, fused image and overlay.',
        SWITCH),
    'use_sim_time': ('false', 'Take the time from /clock, as when a bag is played.', SWITCH),
    'log_level': (
        'info', 'Severity from which the node logs.',
        ['debug', 'info', 'warn', 'error', 'fatal']),
}

# Frames that wait for a partner make glibc give memory back and fault it in again on every
# image; keeping it halves the processor time per pair. One heap for all threads, because fifteen
# hold 7 MB more and each creeps up to a peak of its own.
KEEP_MEMORY = {
    'MALLOC_TRIM_THRESHOLD_': '1000000000',
    'MALLOC_MMAP_THRESHOLD_': '1000000000',
    'MALLOC_TOP_PAD_': '67108864',
    'MALLOC_ARENA_MAX': '1',
}

WRONG_ARGUMENTS = 2  # the node's exit code that no new start changes


def _beside(images, info):
    """Return the calibration topic: the one given, or camera_info beside the images."""
    parent, slash, _ = images.rpartition('/')
    return info or f'{parent}{slash}camera_info'


def _end_all(what, respawned=False):
    """Return the handler of a process' end; the error it raises is what makes launch exit 1."""
    def on_exit(event, context):
        if context.is_shutdown or respawned and event.returncode != WRONG_ARGUMENTS:
            return None
        if event.returncode:
            raise RuntimeError(f'{what} {describe_exit(event.returncode)}')
        return Shutdown(reason=f'{what} has ended')
    return on_exit


def _has_rviz():
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        get_logger('fusion.launch.py').warning(
            'rviz:=true, but rviz2 is not installed, and the node runs without it; for it, '
            f'sudo apt install ros-{os.environ.get("ROS_DISTRO", "$ROS_DISTRO")}-rviz2')
        return False
    return True


def _nodes(context):
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    on = {name: given[name].lower() == 'true' for name in ARGUMENTS}
    # launch_ros evaluates a name relative to the namespace that PushRosNamespace has set.
    above = context.launch_configurations.get('ros_namespace', '')
    namespace = given['namespace'] if given['namespace'].startswith('/') else (
        f'{above}/{given["namespace"]}')
    name = '/'.join(('', *filter(None, namespace.split('/')), given['node_name']))

    overrides = parse_parameters(given['parameters'])
    if given['backend']:
        overrides.setdefault('engine.backend', given['backend'])
    if given['autostart']:
        overrides.setdefault('autostart', on['autostart'])
    # Read here already, because a node ignores a file that is missing or means another node.
    settings = read_settings(Path(given['params_file']), overrides, name)
    if on['build_only']:
        return [ExecuteProcess(cmd=build_command(settings), output='screen',
                               on_exit=_end_all('the build of the TensorRT engine'))]
    remappings = [
        ('thermal/image_raw', given['thermal_topic']),
        ('thermal/camera_info', _beside(given['thermal_topic'], given['thermal_info_topic'])),
        ('rgb/image_raw', given['rgb_topic']),
        ('rgb/camera_info', _beside(given['rgb_topic'], given['rgb_info_topic'])),
    ]
    overrides = {
        key: ParameterValue(value, value_type=str) if isinstance(value, str)
        else list(value) if isinstance(value, tuple) else value
        for key, value in settings.values().items() if key in overrides}
    fusion = Node(
        package='uaafusion_ros',
        executable='fusion_node',
        name=given['node_name'],
        namespace=given['namespace'],
        parameters=[given['params_file'], {'use_sim_time': on['use_sim_time'], **overrides}],
        remappings=remappings,
        ros_arguments=['--log-level', given['log_level']],
        additional_env=KEEP_MEMORY,
        output='screen',
        emulate_tty=True,
        respawn=on['use_respawn'],
        respawn_delay=2.0,
        on_exit=_end_all(name, on['use_respawn']),
    )
    if not on['rviz'] or not _has_rviz():
        return [fusion]
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        name='rviz2',
        namespace=given['namespace'],
        remappings=remappings,
        arguments=['-d', PathJoinSubstitution(
            [FindPackageShare('uaafusion_ros'), 'config', 'fusion.rviz'])],
        parameters=[{'use_sim_time': on['use_sim_time']}],
    )
    return [fusion, rviz]


def generate_launch_description():
    """Return the launch description; every argument is described in ARGUMENTS."""
    share = FindPackageShare('uaafusion_ros')
    profile = SetEnvironmentVariable(
        'FASTDDS_DEFAULT_PROFILES_FILE',
        EnvironmentVariable(
            'FASTDDS_DEFAULT_PROFILES_FILE',
            default_value=PathJoinSubstitution([share, 'config', 'fastdds.xml'])))
    return LaunchDescription([
        *(DeclareLaunchArgument(
            name, default_value=default, description=description, choices=choices)
          for name, (default, description, choices) in ARGUMENTS.items()),
        profile, OpaqueFunction(function=_nodes)])
