"""Start fusion_node, and rviz2 if asked, with the transport and memory settings it needs."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import ExecuteProcess
from launch.actions import OpaqueFunction
from launch.actions import SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from uaafusion_ros.evaluation.replay.settings import read_settings
from uaafusion_ros.launching import build_command

ARGUMENTS = {
    'namespace': ('', 'Namespace of the node and of all its relative topics.'),
    'thermal_topic': ('thermal/image_raw', 'Thermal images; relative to the namespace.'),
    'thermal_info_topic': ('', 'Its calibration; empty is camera_info beside the images.'),
    'rgb_topic': ('rgb/image_raw', 'RGB images; relative to the namespace.'),
    'rgb_info_topic': ('', 'Its calibration; empty is camera_info beside the images.'),
    'params_file': (
        PathJoinSubstitution([FindPackageShare('uaafusion_ros'), 'config', 'fusion.yaml']),
        'Parameter file; see docs/parameters.md.'),
    'backend': ('', 'Runtime instead of engine.backend of the parameter file; empty keeps that.'),
    'build_only': (
        'false', 'Build the TensorRT engine that the parameter file asks for, then end.'),
    'rviz': ('false', 'Start rviz2 with thermal, RGB, fused image and overlay.'),
    'use_sim_time': ('false', 'Take the time from /clock, as when a bag is played.'),
    'log_level': ('info', 'Severity from which the node logs: debug, info, warn, error.'),
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


def _beside(images, info):
    """Return the calibration topic: the one given, or camera_info beside the images."""
    parent, slash, _ = images.rpartition('/')
    return info or f'{parent}{slash}camera_info'


def _nodes(context):
    if LaunchConfiguration('build_only').perform(context).lower() == 'true':
        values = read_settings(Path(LaunchConfiguration('params_file').perform(context)),
                               {'sync.policy': 'nearest'})  # no matter here
        return [ExecuteProcess(cmd=build_command(values), output='screen')]
    thermal = LaunchConfiguration('thermal_topic').perform(context)
    thermal_info = LaunchConfiguration('thermal_info_topic').perform(context)
    rgb = LaunchConfiguration('rgb_topic').perform(context)
    rgb_info = LaunchConfiguration('rgb_info_topic').perform(context)
    remappings = [
        ('thermal/image_raw', thermal),
        ('thermal/camera_info', _beside(thermal, thermal_info)),
        ('rgb/image_raw', rgb),
        ('rgb/camera_info', _beside(rgb, rgb_info)),
    ]
    overrides = {'use_sim_time': LaunchConfiguration('use_sim_time')}
    backend = LaunchConfiguration('backend').perform(context)
    if backend:
        overrides['engine.backend'] = backend
    fusion = Node(
        package='uaafusion_ros',
        executable='fusion_node',
        name='fusion_node',
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), overrides],
        remappings=remappings,
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        additional_env=KEEP_MEMORY,
        output='screen',
        emulate_tty=True,
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        name='rviz2',
        namespace=LaunchConfiguration('namespace'),
        remappings=remappings,
        arguments=['-d', PathJoinSubstitution(
            [FindPackageShare('uaafusion_ros'), 'config', 'fusion.rviz'])],
        parameters=[{'use_sim_time': LaunchConfiguration('use_sim_time')}],
        condition=IfCondition(LaunchConfiguration('rviz')),
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
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in ARGUMENTS.items()),
        profile, OpaqueFunction(function=_nodes)])
