"""
Compare the metrics.json of two replays of one bag, metric by metric.

Prints Markdown: both values, the difference B - A, and whether B is better or worse.

Exit code: 0; 1 if --fail-if-worse is given and a metric of B is worse by more; 2 if the files
cannot be compared.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from pathlib import Path

from uaafusion_ros.cli.arguments import positive_float


def add_arguments(parser: ArgumentParser) -> None:
    """Add both files and what counts as a failure."""
    parser.add_argument('a', type=Path, metavar='A.json', help='the replay to compare with')
    parser.add_argument('b', type=Path, metavar='B.json', help='the replay to judge')
    parser.add_argument(
        '--anyway', action='store_true', help='compare replays of different bags, too')
    parser.add_argument(
        '--fail-if-worse', type=positive_float, metavar='PERCENT',
        help='exit code 1 if any metric of B is worse by more than this')


def run(options: Namespace) -> int:
    """Print the comparison."""
    from uaafusion_ros.evaluation.replay import compare

    rows = compare.compare(
        compare.load(options.a), compare.load(options.b), anyway=options.anyway)
    print(compare.markdown(rows), end='')
    limit = options.fail_if_worse
    return 1 if limit and any(row.worse_percent > limit for row in rows) else 0
