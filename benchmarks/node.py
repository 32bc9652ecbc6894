"""
Time nodes end to end: images sent over DDS, fused image and mask received.

    python benchmarks/node.py [--quick] [--thermal mono16]

Five nodes take turns in each run: the shipped one, one written the usual way with PyTorch in eager
mode (plain_node.py), and both without a network, which shows what the nodes themselves cost. The
plain one goes without twice: with a constant image and mask, and with constant logits, among which
it still seeks the likeliest class, as the shipped node's engine does for it. Then each of the
first two gets three times what it can take.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
import tempfile
from typing import Any

from common import median_of
from common import Plan
from common import QUICK
from common import ratio
import node_rig
from node_rig import Rig

OURS, USUAL = 'shipped', 'plain, torch eager'
OURS_HOLLOW, USUAL_HOLLOW = 'shipped, constant engine', 'plain, constant engine'
USUAL_LOGITS = 'plain, constant logits'
KINDS = {OURS: node_rig.SHIPPED, USUAL: node_rig.PLAIN_TORCH, OURS_HOLLOW: node_rig.HOLLOW,
         USUAL_HOLLOW: node_rig.PLAIN_HOLLOW, USUAL_LOGITS: node_rig.PLAIN_LOGITS}
BARE = (OURS_HOLLOW, USUAL_HOLLOW, USUAL_LOGITS)
WITH_TORCH = (USUAL, USUAL_LOGITS)
OVERLOAD = 3.0


def _kinds() -> dict[str, node_rig.Kind]:
    return {name: kind for name, kind in KINDS.items()
            if name not in WITH_TORCH or find_spec('torch')}


def one_run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return the figures of every node at every rate, and of the overload."""
    result: dict[str, Any] = {'rates': {}, 'overload': {}}
    for name, kind in _kinds().items():
        with Rig(kind, plan, folder / name.replace(', ', '_').replace(' ', '_')) as tested:
            result['rates'][name] = {
                f'{rate:g}': tested.play(rate, plan.settle_s + plan.seconds)['']
                for rate in (plan.bare_rates if name in BARE else plan.rates)}
            if name in (OURS, USUAL):
                result['overload'][name] = overload(tested, plan)
    return result


def overload(tested: Rig, plan: Plan) -> dict[str, Any]:
    """
    Return what a node does with three times what it can take.

    The service time is the time between two outputs of a node that never waits; memory is taken
    before and after, when it has been loaded as much already.
    """
    capacity_hz = tested.play(plan.flood_hz, plan.settle_s + plan.seconds)['']['output_hz']
    if not capacity_hz:
        return {'capacity_hz': 0.0}
    row = tested.play(OVERLOAD * capacity_hz, plan.settle_s + plan.seconds)['']
    return {'capacity_hz': capacity_hz, **row,
            'p95_over_service': row['latency_ms']['p95'] / row['gap_ms']['mean']
            if row['gap_ms']['mean'] else None}


def compare(runs: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return processor time per pair of the usual way over ours, by rate and by engine."""
    compared: dict[str, Any] = {}
    for name, ours, usual in (('without engine', OURS_HOLLOW, USUAL_HOLLOW),
                              ('without network', OURS_HOLLOW, USUAL_LOGITS),
                              ('with engine', OURS, USUAL)):
        for rate in runs[0]['rates'][ours]:
            both = [(run['rates'][usual][rate]['cpu_ms'], run['rates'][ours][rate]['cpu_ms'])
                    for run in runs if usual in run['rates']]
            if both and all(all(values) for values in both):
                compared[f'{name}, {rate} Hz'] = ratio(both)
    return compared


def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return medians of all runs, what is compared within runs, and the runs."""
    runs = [one_run(plan, folder / f'run_{number}') for number in range(plan.runs)]
    return {'size': list(plan.size), **median_of(runs), 'usual_over_ours': compare(runs),
            'runs': runs}


def table(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    lines = ['| node | Hz in | Hz out | latency p50 ms | p95 | p99 | processor ms per pair '
             '| between pairs p95 ms | lost | dropped by |',
             '|---|---:|---:|---:|---:|---:|---:|---:|---:|---|']
    for name, rates in result['rates'].items():
        lines += [_row(name, row) for row in rates.values()]
    lines += ['', '| processor ms per pair, plain over shipped | median | low | high |',
              '|---|---:|---:|---:|']
    lines += [f'| {name} | {row["median"]:.2f} | {row["low"]:.2f} | {row["high"]:.2f} |'
              for name, row in result['usual_over_ours'].items()]
    lines += ['', '| overload | capacity Hz | Hz in | Hz out | service ms | latency p50 ms | p95 '
              '| p95 over service | own memory MB, before, after |',
              '|---|---:|---:|---:|---:|---:|---:|---:|---:|']
    for name, row in result['overload'].items():
        if 'sent' not in row:
            lines.append(f'| {name} | nothing came out |')
        else:
            lines.append(
                f'| {name} | {_text(row["capacity_hz"])} | {_text(row["input_hz"])} '
                f'| {_text(row["output_hz"])} | {_text(row["gap_ms"]["mean"])} '
                f'| {_text(row["latency_ms"]["p50"])} | {_text(row["latency_ms"]["p95"])} '
                f'| {_text(row["p95_over_service"], 2)} '
                f'| {row["memory_mb"]["before"]:.0f}, {row["memory_mb"]["after"]:.0f} |')
    return '\n'.join(lines)


def _row(name: str, row: Mapping[str, Any]) -> str:
    latency, reasons = row['latency_ms'], row['dropped']
    cells = (name, _text(row['input_hz']), _text(row['output_hz']),
             *(_text(latency[part]) for part in ('p50', 'p95', 'p99')), _text(row['cpu_ms'], 2),
             _text(row['cpu_between_ms']['p95'], 2), f'{row["sent"] - row["out"]:g}',
             ', '.join(f'{reason} {count:g}' for reason, count in reasons.items()))
    return f'| {" | ".join(cells)} |'


def _text(value: float | None, digits: int = 1) -> str:
    return '-' if value is None else f'{value:.{digits}f}'


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='show that it runs')
    parser.add_argument('--thermal', choices=('mono8', 'mono16'), default=Plan().thermal)
    options = parser.parse_args()
    plan = replace(QUICK if options.quick else Plan(), thermal=options.thermal)
    with tempfile.TemporaryDirectory() as folder:
        print(table(measure(plan, Path(folder))))


if __name__ == '__main__':
    main()
