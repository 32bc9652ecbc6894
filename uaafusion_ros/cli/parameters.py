"""Print the fusion node's parameters as Markdown."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace

from uaafusion_ros.errors import DependencyError


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: the table is the only answer."""


def run(options: Namespace) -> int:
    """Print the table; raises DependencyError without ROS."""
    try:
        from uaafusion_ros.nodes.parameters import parameters_markdown
    except ImportError as error:
        raise DependencyError(
            f'the parameter table needs ROS 2 ({error}); source a ROS 2 setup file or run '
            '`pip install ros-rclpy ros-common-interfaces ros-rmw-fastrtps-cpp`') from error
    print(parameters_markdown(), end='')
    return 0
