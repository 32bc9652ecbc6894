"""
Replay many bags side by side, on this machine or a Ray cluster, into one summary page.

OUT gets fleet.html and, for each bag, a folder with what `uaafusion replay` writes. A second
call replays only what is missing: bags without a complete result from the same bag, model,
settings and thresholds.

Exit code: 0 if every bag is whole and keeps all thresholds, 1 if one is not, does not, or could
not be replayed, 2 if nothing could be started.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from dataclasses import fields
from pathlib import Path
import sys

from uaafusion_ros.cli import replay
from uaafusion_ros.errors import ParameterError


def add_arguments(parser: ArgumentParser) -> None:
    """Add who replays, and everything that `uaafusion replay` takes."""
    replay.add_arguments(parser)
    parser.set_defaults(out=Path('fleet_output'))
    parser.add_argument(
        '--workers', type=int, metavar='N',
        help='bags at a time (default: as many as the cores allow)')
    parser.add_argument(
        '--address',
        help='Ray cluster whose machines share the files; set RAY_AUTH_MODE as it was set for the '
             'cluster (default: this machine)')


def run(options: Namespace) -> int:
    """Replay the bags and print a line for each; see the text of the module for the codes."""
    if options.live or options.rate:
        raise ParameterError('a fleet is replayed offline; use --live with `uaafusion replay`')
    from uaafusion_ros.evaluation.page import BagResult
    from uaafusion_ros.evaluation.page.fleet_page import OUTCOMES
    from uaafusion_ros.evaluation.replay.fleet import run_fleet
    from uaafusion_ros.evaluation.replay.run import ReplayOptions

    ended: list[BagResult] = []

    def report(result: BagResult) -> None:
        ended.append(result)
        kept = ' (kept)' if result.state == 'kept' else ''
        why = f': {result.reason}' if result.reason else ''
        print(f'[{len(ended)}/{len(options.bags)}] {result.bag}: '
              f'{OUTCOMES[result.outcome].lower()}{kept}, pairs fused: {result.pairs}{why}',
              file=sys.stderr if why else sys.stdout, flush=True)

    known = {field.name for field in fields(ReplayOptions)}
    results = run_fleet(
        options.bags, options.out,
        ReplayOptions(**{key: value for key, value in vars(options).items() if key in known}),
        workers=options.workers, address=options.address, report=report)
    bad = sum(result.outcome not in ('pass', 'none') for result in results)
    print(f'bags: {len(results)}, with a complaint: {bad}; see {options.out / "fleet.html"}')
    return 1 if bad else 0
