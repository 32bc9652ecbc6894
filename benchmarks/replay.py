"""
Time what a replay adds to inference: reading and pairing, the fusion metrics, writing.

Run it from the source tree, on an otherwise idle machine: python benchmarks/replay.py. It makes a
bag of the shipped stills, raw and compressed, replays both with the model `fast`, and prints
Markdown and a line of JSON. Exit code 1 if reading and pairing raw images take 10 % of the time
of inference or more.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys
import tempfile

import cv2

from uaafusion_ros.demo.source import load_stills
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.replay.run import replay
from uaafusion_ros.evaluation.replay.run import ReplayOptions

LIMIT = 0.10
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 33_333_333
SKEW_NS = 2_000_000


def write_bag(path: Path, pairs: int, size: tuple[int, int], compressed: bool) -> Path:
    """Write `pairs` pairs of the stills at 30 Hz: colour and 8-bit thermal, of one size."""
    stills = load_stills()
    with BagWriter(path) as bag:
        for number in range(pairs):
            still = stills[number % len(stills)]
            stamp = START_NS + number * PERIOD_NS
            rgb = cv2.cvtColor(cv2.resize(still.rgb, size), cv2.COLOR_GRAY2BGR)
            thermal = cv2.resize(still.thermal, size)
            if compressed:
                bag.add_compressed('/rgb/compressed', cv2.imencode('.jpg', rgb)[1].tobytes(),
                                   'bgr8; jpeg compressed bgr8', stamp, 'rgb')
                bag.add_compressed(
                    '/thermal/compressed', cv2.imencode('.png', thermal)[1].tobytes(),
                    'mono8; png compressed ', stamp + SKEW_NS, 'thermal')
            else:
                bag.add_image('/rgb', rgb, 'bgr8', stamp, 'rgb')
                bag.add_image('/thermal', thermal, 'mono8', stamp + SKEW_NS, 'thermal')
    return path


def measure(folder: Path, options: argparse.Namespace, compressed: bool) -> dict[str, float]:
    """Replay a bag; return milliseconds per pair by stage, and the share of the overhead."""
    name = 'compressed' if compressed else 'raw'
    bag = write_bag(folder / name, options.pairs, tuple(options.size), compressed)
    replay(bag, folder / 'out', ReplayOptions(
        preset='fast', backend=options.backend, metrics_every=2, quiet=True))
    timing = json.loads((folder / 'out' / name / 'timing.json').read_text())
    stages = timing['stages']
    # Every second frame has all metrics, the others only stability.
    return {'read_ms': stages['read']['mean'], 'pair_ms': stages['pair']['mean'],
            'infer_ms': stages['infer']['p50'], 'write_ms': stages['write']['p50'],
            'metrics_ms': stages['measure']['p95'], 'overhead_share': timing['overhead_share'],
            'engine': timing['versions']['engine'], 'processor': timing['machine']['processor']}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(640, 480), metavar=('W', 'H'))
    parser.add_argument('--pairs', type=int, default=40)
    parser.add_argument('--backend', default='openvino')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = {name: measure(Path(folder), options, name == 'compressed')
                for name in ('raw', 'compressed')}
    print(f"{options.size[0]}x{options.size[1]}, {options.pairs} pairs, {rows['raw']['engine']}\n")
    print('| images | read ms | pair ms | infer ms | (read + pair) / infer | all metrics ms '
          '| write ms |\n|---|---:|---:|---:|---:|---:|---:|')
    for name, row in rows.items():
        print(f"| {name} | {row['read_ms']:.1f} | {row['pair_ms']:.2f} | {row['infer_ms']:.0f} "
              f"| {100 * row['overhead_share']:.1f} % | {row['metrics_ms']:.0f} "
              f"| {row['write_ms']:.1f} |")
    print('\n' + json.dumps({'size': options.size, 'pairs': options.pairs, **rows}))
    return 0 if rows['raw']['overhead_share'] < LIMIT else 1


if __name__ == '__main__':
    sys.exit(main())
