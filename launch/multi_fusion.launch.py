"""Start one fusion_node for each camera pair of a YAML list; the end of one ends all."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import GroupAction
from launch.actions import IncludeLaunchDescription
from launch.actions import OpaqueFunction
from launch.actions import UnsetLaunchConfiguration
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from uaafusion_ros.launching import camera_pairs
from uaafusion_ros.launching import PAIR_KEYS

ARGUMENTS = {
    'cameras': (
        PathJoinSubstitution([FindPackageShare('uaafusion_ros'), 'config', 'cameras.yaml']),
        'YAML list of camera pairs; see config/cameras.yaml.'),
    'backend': ('', 'Runtime of the pairs that name none, see fusion.launch.py.'),
    'log_level': ('info', 'Severity of the pairs that name none, see fusion.launch.py.'),
    'autostart': ('', 'As in fusion.launch.py.'),
    'use_respawn': ('false', 'As in fusion.launch.py.'),
    'use_sim_time': ('false', 'As in fusion.launch.py.'),
}


def _nodes(context):
    one = PathJoinSubstitution([FindPackageShare('uaafusion_ros'), 'launch', 'fusion.launch.py'])
    shared = {name: LaunchConfiguration(name).perform(context)
              for name in ARGUMENTS if name != 'cameras'}
    pairs = camera_pairs(Path(LaunchConfiguration('cameras').perform(context)))
    # An include alone keeps its arguments set for all that follows, so that each has a scope of
    # its own, which begins without what a pair may say.
    return [
        GroupAction([
            *(UnsetLaunchConfiguration(name) for name in PAIR_KEYS),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(one), launch_arguments={**shared, **pair}.items())])
        for pair in pairs]


def generate_launch_description():
    """Return the launch description; every argument is described in ARGUMENTS."""
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in ARGUMENTS.items()),
        OpaqueFunction(function=_nodes)])
