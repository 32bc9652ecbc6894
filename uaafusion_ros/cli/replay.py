"""
Replay bags through the fusion pipeline without ROS: numbers, a report and a verdict.

Reads rosbag2 folders and files (MCAP, sqlite3) with raw or compressed images. OUT/<bag>/ gets
metrics.json, timing.json, report.html, report.md, junit.xml and output.mcap.

Exit code: 0 if every bag is whole and keeps all thresholds, 1 if a threshold is broken or a bag
was damaged (what can be read of it is replayed), 2 if a bag could not be replayed at all or no
two of its images belong together.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
import sys

from uaafusion_ros.cli.arguments import add_roles_argument
from uaafusion_ros.cli.arguments import positive_float
from uaafusion_ros.engine.loading import NODE_NAMES
from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.errors import UaafusionError


def add_arguments(parser: ArgumentParser) -> None:
    """Add the bags, what replays them and what is asked of them."""
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG')
    parser.add_argument(
        '--out', type=Path, default=Path('replay_output'), help='folder (default: %(default)s)')
    parser.add_argument(
        '--config', type=Path, help="the node's parameter file (default: its defaults)")
    parser.add_argument(
        '--thresholds', type=Path, help='limits to keep, see config/thresholds.yaml')
    parser.add_argument('--preset', help='shipped network to run, instead of that of --config')
    parser.add_argument(
        '--model', type=Path, help='ONNX model to run, instead of that of --config')
    parser.add_argument('--backend', help=f'runtime: one of {", ".join(NODE_NAMES)}')
    parser.add_argument('--threads', type=int, help='threads of the runtime, 0 for every core')
    for role in ('rgb', 'thermal', 'label'):
        parser.add_argument(f'--{role}-topic', metavar='TOPIC')
    add_roles_argument(parser)
    parser.add_argument(
        '--every', type=int, default=1, metavar='N', help='fuse every Nth pair only')
    parser.add_argument('--limit', type=int, metavar='N', help='stop after N fused pairs')
    parser.add_argument(
        '--metrics-every', type=int, default=5, metavar='N',
        help='fusion metrics of every Nth fused pair; all of them cost more time than the fusion '
             '(default: %(default)s)')
    parser.add_argument(
        '--live', action='store_true',
        help='play into the real node over DDS and judge its output')
    parser.add_argument(
        '--rate', type=positive_float, help='images per second of --live (default: as recorded)')


def run(options: Namespace) -> int:
    """Replay bag after bag; see the text of the module for the exit codes."""
    if options.rate and not options.live:
        raise ParameterError('--rate is the speed of --live; without it a bag is read as fast as '
                             'it can be fused')
    check_names(options.bags)
    return max(replay_one(bag, options) for bag in options.bags)


def replay_one(bag: Path, options: Namespace) -> int:
    """Replay a bag and print what became of it; return its exit code."""
    from uaafusion_ros.evaluation.replay.report import check_sentence
    from uaafusion_ros.evaluation.replay.report import fused_and_alone
    from uaafusion_ros.evaluation.replay.run import replay
    from uaafusion_ros.evaluation.replay.run import ReplayOptions

    try:
        asked = ReplayOptions(
            config=options.config, thresholds=options.thresholds, preset=options.preset,
            model=options.model, backend=options.backend, threads=options.threads,
            rgb_topic=options.rgb_topic, thermal_topic=options.thermal_topic,
            label_topic=options.label_topic, every=options.every, limit=options.limit,
            metrics_every=options.metrics_every, force_roles=options.force_roles)
        if options.live:
            from uaafusion_ros.harness.live_replay import record_live
            asked = replace(asked, recorded=record_live(bag, options.out, asked, options.rate))
        metrics = replay(bag, options.out, asked)
    except (UaafusionError, OSError) as error:
        print(f'uaafusion replay: {error}', file=sys.stderr)
        return 2
    for problem in metrics['problems']:
        print(f'uaafusion replay: {problem}', file=sys.stderr)
    for check in metrics['checks']:
        print(f"{'pass' if check['passed'] else 'FAIL'}: {check_sentence(check)}")
    name = metrics['inputs']['bag']['name']
    print(f"{name}: {fused_and_alone(metrics)}, {metrics['status']}, verdict "
          f"{metrics['verdict']}; see {options.out / name / 'report.html'}")
    return 1 if metrics['status'] != 'complete' or metrics['verdict'] == 'fail' else 0


def check_names(bags: list[Path]) -> None:
    """Raise BagError if two bags would write into one folder."""
    names: dict[str, Path] = {}
    for bag in bags:
        path = bag.resolve()
        name = path.name.removesuffix('.zstd').rpartition('.')[0] if path.is_file() else path.name
        if name in names:
            raise BagError(
                f'{names[name]} and {bag} are both called {name} and would share a folder; '
                'replay them one by one with another --out')
        names[name] = bag
