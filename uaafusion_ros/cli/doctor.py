"""
Check this machine and its cameras before the node runs; say what is wrong and the remedy.

ROS, RMW, DDS profile, shared memory, limits, GPU, runtimes, model files, and both cameras: whether
they are alive, their rate, encoding and quality of service. Without ROS the rest is checked.
Start it in the shell, or container, in which the cameras are started.

Exit code: 0 if all is well, 1 if there are warnings alone, 2 if there is a problem.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
import textwrap

from uaafusion_ros.cli.arguments import positive_float

_WIDTHS = (14, 8, 46, 46)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the topics, and how long they are listened to."""
    for camera in ('thermal', 'rgb'):
        parser.add_argument(
            f'--{camera}-topic', default=f'/{camera}/image_raw', metavar='TOPIC',
            help=f'images of the {camera} camera (default: %(default)s)')
    parser.add_argument('--seconds', type=positive_float, default=3.0,
                        help='time to listen to the cameras (default: %(default)s)')


def run(options: Namespace) -> int:
    """Print the table; see the text of the module for the exit codes."""
    from tabulate import tabulate

    from uaafusion_ros.cli import machine
    from uaafusion_ros.cli import machine_checks

    lines = machine_checks.check(machine.look(
        {'thermal': options.thermal_topic, 'rgb': options.rgb_topic}, options.seconds))
    rows = [(line.check, line.state.name.lower(), line.found, line.remedy) for line in lines]
    print(tabulate(
        [[textwrap.fill(text, width) for text, width in zip(row, _WIDTHS)] for row in rows],
        ('check', 'state', 'found', 'remedy'), 'simple'))
    return machine_checks.exit_code(lines)
