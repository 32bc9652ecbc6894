"""
Nodes end to end: images sent over DDS, fused image and mask received.

Four nodes take turns in each run: the shipped one, one written the usual way with PyTorch in eager
mode (plain_node.py), and both with an engine that returns constant arrays, which shows what the
nodes themselves cost. Then each of the first two gets three times what it can take. Scaling is
that of the shipped node with the size of images and the number of camera pairs, each of which has
a node process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common import Plan
from common import ROOT
from common import table as markdown

from uaafusion_ros.harness.measures import median_of
from uaafusion_ros.harness.measures import ratio
from uaafusion_ros.harness.node_load import NodeKind
from uaafusion_ros.harness.node_load import NodesUnderLoad

OVERLOAD = 3.0
NAMESPACES = ('/left', '/right')


def _plain(engine: str) -> NodeKind:
    return NodeKind((str(ROOT / 'benchmarks/plain_node.py'), engine), reports=False)


SHIPPED = NodeKind(('-m', 'uaafusion_ros.nodes.main'))
OURS, USUAL = 'shipped', 'plain, torch eager'
OURS_NULL, USUAL_NULL = 'shipped, constant engine', 'plain, constant engine'
KINDS = {OURS: SHIPPED, USUAL: _plain('torch'),
         OURS_NULL: NodeKind((str(ROOT / 'benchmarks/null_engine_node.py'),)),
         USUAL_NULL: _plain('constant')}


def _loaded(kind: NodeKind, plan: Plan, folder: Path, **changed: Any) -> NodesUnderLoad:
    return NodesUnderLoad(kind, folder, **{
        'size': plan.size, 'threads': plan.threads, 'thermal': plan.thermal,
        'settle_s': plan.settle_s, **changed})


def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return medians of all runs, what is compared within runs, and the runs."""
    runs = [_run(plan, folder / f'run_{number}') for number in range(plan.runs)]
    return {'size': list(plan.size), **median_of(runs), 'usual_over_ours': compare(runs),
            'runs': runs}


def _run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return the figures of every node at every rate, and of the overload."""
    result: dict[str, Any] = {'rates': {}, 'overload': {}}
    for name, kind in KINDS.items():
        if name == USUAL and not find_spec('torch'):
            continue
        place = folder / name.replace(', ', '_').replace(' ', '_')
        with _loaded(kind, plan, place) as tested:
            result['rates'][name] = {
                f'{rate:g}': tested.play(rate, plan.settle_s + plan.seconds)['']
                for rate in (plan.bare_rates if name in (OURS_NULL, USUAL_NULL) else plan.rates)}
            if name in (OURS, USUAL):
                result['overload'][name] = _overload(tested, plan)
    return result


def _overload(tested: NodesUnderLoad, plan: Plan) -> dict[str, Any]:
    """
    Return what a node does with three times what it can take.

    The service time is the time between two outputs of a node that never waits; memory is taken
    before and after, when it has been loaded as much already.
    """
    seconds = plan.settle_s + plan.seconds
    capacity_hz = tested.play(plan.flood_hz, seconds)['']['output_hz']
    if not capacity_hz:
        return {'capacity_hz': 0.0}
    row = tested.play(OVERLOAD * capacity_hz, seconds)['']
    service = row['gap_ms']['mean']
    return {'capacity_hz': capacity_hz, **row,
            'p95_over_service': row['latency_ms']['p95'] / service if service else None}


def compare(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return processor time per pair of the usual way over ours, by rate and by engine."""
    compared: dict[str, Any] = {}
    for name, ours, usual in (('without engine', OURS_NULL, USUAL_NULL),
                              ('with engine', OURS, USUAL)):
        for rate in runs[0]['rates'][ours]:
            both = [(run['rates'][usual][rate]['cpu_ms'], run['rates'][ours][rate]['cpu_ms'])
                    for run in runs if usual in run['rates']]
            if both and all(all(values) for values in both):
                compared[f'{name}, {rate} Hz'] = ratio(both)
    return compared


def table(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    nodes = markdown(
        ['node', 'Hz in', 'Hz out', 'latency p50 ms', 'p95', 'p99', 'processor ms per pair',
         'between pairs p95 ms', 'lost', 'dropped by'],
        [[name, row['input_hz'], row['output_hz'],
          *(row['latency_ms'][part] for part in ('p50', 'p95', 'p99')), row['cpu_ms'],
          row['cpu_between_ms']['p95'], round(row['sent'] - row['out']),
          ', '.join(f'{reason} {count:g}' for reason, count in row['dropped'].items())]
         for name, rates in result['rates'].items() for row in rates.values()],
        (0, 1, 1, 1, 1, 1, 2, 2, 0, 0))
    ratios = markdown(
        ['processor ms per pair, plain over shipped', 'median', 'low', 'high'],
        [[name, *row.values()] for name, row in result['usual_over_ours'].items()], 2)
    overload = markdown(
        ['overload', 'capacity Hz', 'Hz in', 'Hz out', 'service ms', 'latency p50 ms', 'p95',
         'p95 over service', 'own memory MB, before', 'after'],
        [[name, row['capacity_hz'], row['input_hz'], row['output_hz'], row['gap_ms']['mean'],
          row['latency_ms']['p50'], row['latency_ms']['p95'], row['p95_over_service'],
          row['memory_mb']['before'], row['memory_mb']['after']] if 'sent' in row else
         [f'{name}: nothing came out'] for name, row in result['overload'].items()],
        (0, 1, 1, 1, 1, 1, 1, 2, 0, 0))
    return '\n\n'.join((nodes, ratios, overload))


def measure_scaling(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return figures by image size, and by number of camera pairs at the plan's size."""
    def run(folder: Path) -> dict[str, Any]:
        rate, seconds = max(plan.rates), plan.settle_s + plan.seconds
        sizes, pairs = {}, {}
        for width, height in plan.sizes:
            name = f'{width}x{height}'
            with _loaded(SHIPPED, plan, folder / name, size=(width, height)) as tested:
                sizes[name] = tested.play(rate, seconds)['']
        for count in (1, 2):
            with _loaded(SHIPPED, plan, folder / f'pairs_{count}',
                         namespaces=NAMESPACES[:count]) as tested:
                pairs[str(count)] = list(tested.play(rate, seconds).values())
        return {'sizes': sizes, 'pairs': pairs}

    runs = [run(folder / f'run_{number}') for number in range(plan.runs)]
    return {'size': list(plan.size), **median_of(runs), 'runs': runs}


def scaling_table(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    def cells(row: Mapping[str, Any]) -> list[float | None]:
        return [row['input_hz'], row['output_hz'], row['latency_ms']['p50'],
                row['latency_ms']['p95'], row['cpu_ms']]

    titles = ['Hz in', 'Hz out', 'latency p50 ms', 'p95', 'processor ms per pair']
    return '\n\n'.join((
        markdown(['images', *titles],
                 [[name, *cells(row)] for name, row in result['sizes'].items()]),
        markdown(['camera pairs', 'Hz out of all', *titles],
                 [[count, sum(each['output_hz'] for each in rows), *cells(row)]
                  for count, rows in result['pairs'].items() for row in rows])))
