"""Start one fusion_node for each camera pair of a YAML list."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import IncludeLaunchDescription
from launch.actions import OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from uaafusion_ros.launching import camera_pairs

ARGUMENTS = {
    'cameras': (
        PathJoinSubstitution([FindPackageShare('uaafusion_ros'), 'config', 'cameras.yaml']),
        'YAML list of camera pairs; see config/cameras.yaml.'),
    'backend': ('', 'Runtime of all nodes, see fusion.launch.py.'),
    'use_sim_time': ('false', 'Take the time from /clock, as when a bag is played.'),
    'log_level': ('info', 'Severity from which the nodes log: debug, info, warn, error.'),
}


def _nodes(context):
    shared = {name: LaunchConfiguration(name) for name in ('backend', 'use_sim_time', 'log_level')}
    one = PathJoinSubstitution([FindPackageShare('uaafusion_ros'), 'launch', 'fusion.launch.py'])
    pairs = camera_pairs(Path(LaunchConfiguration('cameras').perform(context)))
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(one), launch_arguments={**shared, **pair}.items())
        for pair in pairs]


def generate_launch_description():
    """Return the launch description; every argument is described in ARGUMENTS."""
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in ARGUMENTS.items()),
        OpaqueFunction(function=_nodes)])
