"""
Nodes end to end: images sent over DDS, fused image and mask received.

Five nodes take turns in each run: the shipped one, one written the usual way with PyTorch in eager
mode (plain_node.py), and both without a network, which shows what the nodes themselves cost. The
plain one goes without twice: with a constant image and mask, and with constant logits, among which
it still seeks the likeliest class, as the shipped node's engine does for it. Then each of the
first two gets three times what it can take. Scaling is that of the shipped node with the size of
images and the number of camera pairs, each of which has a node process of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
import os
from pathlib import Path
import time
from typing import Any

from common import Plan
from common import ROOT
from common import table as markdown

from uaafusion_ros.errors import EngineError
from uaafusion_ros.harness.camera import Cameras
from uaafusion_ros.harness.measures import dropped
from uaafusion_ros.harness.measures import figures
from uaafusion_ros.harness.measures import median_of
from uaafusion_ros.harness.measures import ratio
from uaafusion_ros.harness.processes import check_alive
from uaafusion_ros.harness.processes import held
from uaafusion_ros.harness.processes import private_ros
from uaafusion_ros.harness.processes import Process
from uaafusion_ros.harness.topics import FUSED_TOPIC
from uaafusion_ros.harness.topics import MASK_TOPIC

START_S = 120.0
REPORT_S = 3.0  # for the next diagnostics, which come once a second
OVERLOAD = 3.0
NAMESPACES = ('/left', '/right')


@dataclass(frozen=True)
class Kind:
    """A node to measure: Python's arguments for it, and whether it is the plain one."""

    arguments: tuple[str, ...]
    plain: bool = False


def _plain(engine: str) -> Kind:
    return Kind((str(ROOT / 'benchmarks/plain_node.py'), engine), plain=True)


SHIPPED = Kind(('-m', 'uaafusion_ros.nodes.fusion_node'))
OURS, USUAL = 'shipped', 'plain, torch eager'
OURS_NULL, USUAL_NULL = 'shipped, constant engine', 'plain, constant engine'
USUAL_LOGITS = 'plain, constant logits'
KINDS = {OURS: SHIPPED, USUAL: _plain('torch'),
         OURS_NULL: Kind((str(ROOT / 'benchmarks/null_engine_node.py'),)),
         USUAL_NULL: _plain('constant'), USUAL_LOGITS: _plain('logits')}
BARE = (OURS_NULL, USUAL_NULL, USUAL_LOGITS)
WITH_TORCH = (USUAL, USUAL_LOGITS)


class Rig:
    """
    One node of a kind per namespace, and a listener to all; a context manager that ends them.

    Raises EngineError where a process ends or says nothing, DependencyError without ROS.
    """

    def __init__(self, kind: Kind, plan: Plan, folder: Path, size: tuple[int, int] | None = None,
                 namespaces: Sequence[str] = ('',)) -> None:
        """Start everything and wait until the outputs are offered; logs go to `folder`."""
        self._kind, self._plan, self._folder, self._size = kind, plan, folder, size or plan.size
        self._arrived: dict[str, dict[int, int]] = defaultdict(dict)  # by topic and stamp
        self._reports: dict[str, dict[str, Any]] = {}
        self._ready: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._environment = stack.enter_context(private_ros(folder))
            self._environment['PYTHONPATH'] = os.pathsep.join(
                filter(None, (str(ROOT), os.environ.get('PYTHONPATH', ''))))
            self.nodes = {
                namespace: stack.enter_context(self._process(
                    [*kind.arguments, *self._arguments(), '-r', f'__ns:={namespace or "/"}'],
                    f'node{namespace.replace("/", "_")}')) for namespace in namespaces}
            self._listener = stack.enter_context(self._process(
                ['-m', 'uaafusion_ros.harness.recorder', '--namespaces', *namespaces, '--topics',
                 FUSED_TOPIC, MASK_TOPIC], 'listener'))
            self._wait(lambda: self._ready == set(namespaces), START_S, 'offers no outputs')
            self._stack = stack.pop_all()

    def _arguments(self) -> list[str]:
        width, height = self._size
        if self._kind.plain:
            return ['--threads', str(self._plan.threads), '--size', str(width), str(height),
                    '--ros-args']
        return ['--ros-args', '-p', f'engine.threads:={self._plan.threads}',
                '-p', f'engine.warmup_size:={[width, height]}']

    def _process(self, arguments: list[str], name: str) -> Process:
        return Process(arguments, self._environment, self._folder / f'{name}.txt')

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    def play(self, rate: float, seconds: float) -> dict[str, dict[str, Any]]:
        """Send pairs to every node for so long; return what `figures` says, by namespace."""
        before = {namespace: self._counts(namespace) for namespace in self.nodes}
        memory = {namespace: held(node.pid)['private'] for namespace, node in self.nodes.items()}
        with ExitStack() as stack:
            cameras = {namespace: stack.enter_context(Cameras(
                '--pictures', 'stills', '--reliable', '--rate', rate,
                '--count', max(2, round(rate * seconds)), '--size', *self._size,
                '--thermal-encoding', self._plan.thermal, '--namespace', namespace or '/',
                '--watch', node.pid, '--wait', START_S / 2, environment=self._environment))
                for namespace, node in self.nodes.items()}
            self._wait(lambda: all(each.exit_code is not None for each in cameras.values()),
                       START_S + 2 * seconds, 'does not finish')
            for each in cameras.values():
                if each.stop():
                    raise EngineError(f'the cameras failed: {each.last_words()}')
        sent = {namespace: each.events()[-1] for namespace, each in cameras.items()}
        result = {}
        for namespace, node in self.nodes.items():
            after, stamps = self._counts(namespace), sent[namespace]['stamps']
            masks = self._arrived[namespace + MASK_TOPIC]
            arrived = {stamp: max(at, masks[stamp])
                       for stamp, at in self._arrived[namespace + FUSED_TOPIC].items()
                       if stamp in masks}
            result[namespace] = {
                **figures(stamps, sent[namespace]['spent'], arrived, self._plan.settle_s),
                'dropped': dropped(before[namespace], after, len(stamps) - 1),
                'memory_mb': {'before': memory[namespace] / 1024,
                              'after': held(node.pid)['private'] / 1024}}
        return result

    def _counts(self, namespace: str) -> dict[str, int]:
        """Return counts that were reported after this call, {} from a node that reports none."""
        if self._kind.plain:
            return {}
        now_ns = time.time_ns()
        self._wait(lambda: self._reports.get(namespace, {}).get('at', 0) > now_ns, REPORT_S,
                   'reports nothing')
        return {key: int(value) for key, value in self._reports[namespace]['values'].items()
                if value.isdigit()}

    def _wait(self, done: Callable[[], bool], seconds: float, complaint: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            time.sleep(0.02)
            for event in self._listener.events():
                if 'ready' in event:
                    self._ready.add(event['ready'])
                elif 'image' in event:
                    self._arrived[event['image']][event['stamp']] = event['arrived']
                elif 'values' in event:
                    self._reports[event['of']] = event
            check_alive((*self.nodes.values(), self._listener))
            if time.monotonic() > deadline:
                raise EngineError(f'{self._kind.arguments[-1]} {complaint} within {seconds:g} s; '
                                  f'see {self._folder}')


def measure(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return medians of all runs, what is compared within runs, and the runs."""
    runs = [_run(plan, folder / f'run_{number}') for number in range(plan.runs)]
    return {'size': list(plan.size), **median_of(runs), 'usual_over_ours': compare(runs),
            'runs': runs}


def _run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return the figures of every node at every rate, and of the overload."""
    result: dict[str, Any] = {'rates': {}, 'overload': {}}
    for name, kind in KINDS.items():
        if name in WITH_TORCH and not find_spec('torch'):
            continue
        with Rig(kind, plan, folder / name.replace(', ', '_').replace(' ', '_')) as tested:
            result['rates'][name] = {
                f'{rate:g}': tested.play(rate, plan.settle_s + plan.seconds)['']
                for rate in (plan.bare_rates if name in BARE else plan.rates)}
            if name in (OURS, USUAL):
                result['overload'][name] = _overload(tested, plan)
    return result


def _overload(tested: Rig, plan: Plan) -> dict[str, Any]:
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
                              ('without network', OURS_NULL, USUAL_LOGITS),
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
         [name, 'nothing came out'] for name, row in result['overload'].items()],
        (0, 1, 1, 1, 1, 1, 1, 2, 0, 0))
    return '\n\n'.join((nodes, ratios, overload))


def measure_scaling(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return figures by image size, and by number of camera pairs at the plan's size."""
    def run(folder: Path) -> dict[str, Any]:
        rate, seconds = max(plan.rates), plan.settle_s + plan.seconds
        sizes, pairs = {}, {}
        for width, height in plan.sizes:
            name = f'{width}x{height}'
            with Rig(SHIPPED, plan, folder / name, (width, height)) as tested:
                sizes[name] = tested.play(rate, seconds)['']
        for count in (1, 2):
            with Rig(SHIPPED, plan, folder / f'pairs_{count}',
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

    def megapixels(name: str) -> float:
        width, height = map(int, name.split('x'))
        return width * height / 1e6

    titles = ['Hz in', 'Hz out', 'latency p50 ms', 'p95', 'processor ms per pair']
    return '\n\n'.join((
        markdown(['images', *titles, 'per megapixel'],
                 [[name, *cells(row), row['cpu_ms'] and row['cpu_ms'] / megapixels(name)]
                  for name, row in result['sizes'].items()]),
        markdown(['camera pairs', 'Hz out of all', *titles],
                 [[count, sum(each['output_hz'] for each in rows), *cells(row)]
                  for count, rows in result['pairs'].items() for row in rows])))
