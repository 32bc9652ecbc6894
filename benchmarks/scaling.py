"""
How the shipped node scales with the size of images and with the number of camera pairs.

    python benchmarks/scaling.py [--quick]

Cameras send at the highest rate of the plan; each camera pair has a node process of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
import tempfile
from typing import Any

from common import median_of
from common import Plan
from common import QUICK
import node_rig
from node_rig import Rig

NAMESPACES = ('/left', '/right')


def one_run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return figures by image size, and by number of camera pairs at the plan's size."""
    rate, seconds = max(plan.rates), plan.settle_s + plan.seconds
    sizes, pairs = {}, {}
    for width, height in plan.sizes:
        with Rig(node_rig.SHIPPED, plan, folder / f'{width}x{height}', (width, height)) as tested:
            sizes[f'{width}x{height}'] = tested.play(rate, seconds)['']
    for count in (1, 2):
        with Rig(node_rig.SHIPPED, plan, folder / f'pairs_{count}',
                 namespaces=NAMESPACES[:count]) as tested:
            pairs[str(count)] = list(tested.play(rate, seconds).values())
    return {'sizes': sizes, 'pairs': pairs}


def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return medians of all runs, and the runs."""
    runs = [one_run(plan, folder / f'run_{number}') for number in range(plan.runs)]
    return {'size': list(plan.size), **median_of(runs), 'runs': runs}


def table(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    lines = ['| images | Hz in | Hz out | latency p50 ms | p95 | processor ms per pair '
             '| per megapixel |', '|---|---:|---:|---:|---:|---:|---:|']
    for name, row in result['sizes'].items():
        width, height = map(int, name.split('x'))
        lines.append(f'| {name} | {_cells(row)} | {row["cpu_ms"] / (width * height / 1e6):.0f} |'
                     if row['cpu_ms'] else f'| {name} | none came out |')
    lines += ['', '| camera pairs | Hz out of all | Hz in | Hz out | latency p50 ms | p95 '
              '| processor ms per pair |', '|---|---:|---:|---:|---:|---:|---:|']
    for count, rows in result['pairs'].items():
        total = sum(row['output_hz'] for row in rows)
        lines += [f'| {count} | {total:.1f} | {_cells(row)} |' if row['cpu_ms']
                  else f'| {count} | none came out |' for row in rows]
    return '\n'.join(lines)


def _cells(row: Mapping[str, Any]) -> str:
    latency = row['latency_ms']
    return (f'{row["input_hz"]:.1f} | {row["output_hz"]:.1f} | {latency["p50"]:.1f} '
            f'| {latency["p95"]:.1f} | {row["cpu_ms"]:.1f}')


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='show that it runs')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(table(measure(QUICK if options.quick else Plan(), Path(folder))))


if __name__ == '__main__':
    main()
