"""
Play real thermal and RGB pairs into the fusion node over ROS 2 topics, and show the result.

Leaves in OUT: contact_sheet.jpg, fused.mp4, bag_in/ and bag_out/ (rosbag2, MCAP) and log/.
Ends with one line of numbers.

Exit code: 0 if at least 95 % of the pairs were fused, every missing one has a reason and every
output carries a stamp that was sent; 1 if not; 2 if it could not run.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from pathlib import Path

from uaafusion_ros.cli.arguments import add_model_arguments
from uaafusion_ros.cli.arguments import positive_float


def add_arguments(parser: ArgumentParser) -> None:
    """Add where to, how fast and how long."""
    parser.add_argument(
        '--out', type=Path, default=Path('demo_output'), help='folder (default: %(default)s)')
    parser.add_argument(
        '--rate', type=positive_float, default=5.0, help='pairs per second (default: %(default)s)')
    parser.add_argument(
        '--seconds', type=positive_float, default=24.0,
        help='length of the sequence (default: %(default)s)')
    add_model_arguments(parser)


def run(options: Namespace) -> int:
    """Run the demo; see the text of the module for the exit codes."""
    from uaafusion_ros.demo.pictures import draw
    from uaafusion_ros.demo.show import run_show
    from uaafusion_ros.engine import models

    _, spec = models.load(*models.shipped(options.preset))
    show = run_show(
        options.out, options.rate, options.seconds, options.preset, options.backend)
    for path in draw(show, options.rate, spec):
        print(path)
    print(show.outcome.line())
    return 0 if show.outcome.passed else 1
