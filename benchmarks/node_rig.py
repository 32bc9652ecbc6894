"""Nodes with their cameras and a listener, each a process of its own, on a domain of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
import json
import os
from pathlib import Path
import time
from typing import Any

from common import Plan
from common import ROOT
from common import spread
import numpy as np

from uaafusion_ros import share
from uaafusion_ros.demo.processes import check_ros
from uaafusion_ros.demo.processes import free_domain
from uaafusion_ros.demo.processes import interrupt_on_termination
from uaafusion_ros.demo.processes import Process
from uaafusion_ros.demo.processes import ros_environment
from uaafusion_ros.errors import EngineError

START_S = 120.0
REPORT_S = 3.0  # for the next diagnostics, which come once a second


@dataclass(frozen=True)
class Kind:
    """A node to measure: module, its own arguments, and whether it reports on /diagnostics."""

    module: str
    arguments: tuple[str, ...] = ()
    reports: bool = True


SHIPPED = Kind('uaafusion_ros.nodes.fusion_node')
HOLLOW = Kind('hollow_node')
PLAIN_HOLLOW = Kind('plain_node', ('constant',), reports=False)
PLAIN_LOGITS = Kind('plain_node', ('logits',), reports=False)
PLAIN_TORCH = Kind('plain_node', ('torch',), reports=False)


class Child(Process):
    """A child process whose id is known."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def private_mb(self) -> float:
        """Return the resident memory that is its own, in MiB: not shared, not a file's."""
        for line in Path(f'/proc/{self.pid}/status').read_text().splitlines():
            if line.startswith('RssAnon:'):
                return int(line.split()[1]) / 1024
        raise EngineError(f'{self.name} has ended ({self.last_words()}); see {self.log}')


class Rig:
    """
    One node of a kind per namespace, and a listener to all; a context manager that ends them.

    Raises EngineError where a process ends or says nothing, DependencyError without ROS.
    """

    def __init__(self, kind: Kind, plan: Plan, folder: Path, size: tuple[int, int] | None = None,
                 namespaces: Sequence[str] = ('',)) -> None:
        """Start everything and wait until the outputs are offered; logs go to `folder`."""
        interrupt_on_termination()
        self._plan, self._folder, self._size = plan, folder, size or plan.size
        self._kind, self._namespaces = kind, tuple(namespaces)
        self._out: dict[str, dict[int, int]] = defaultdict(dict)
        self._counts: dict[str, dict[str, int]] = defaultdict(dict)
        self._counted_ns: dict[str, int] = defaultdict(int)
        self._ready: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = ros_environment(
            free_domain(), share.path('config', 'fastdds.xml'), folder.resolve())
        self._environment['PYTHONPATH'] = os.pathsep.join(filter(None, (
            str(Path(__file__).parent), str(ROOT), os.environ.get('PYTHONPATH', ''))))
        check_ros(self._environment)
        self._stack = ExitStack()
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise

    def _start(self) -> None:
        width, height = self._size
        if self._kind.reports:
            parameters = {'engine.threads': self._plan.threads,
                          'engine.warmup_size': [width, height]}
            own = ['--ros-args', *(part for name, value in parameters.items()
                                   for part in ('-p', f'{name}:={value}'))]
        else:
            own = [*self._kind.arguments, '--threads', str(self._plan.threads), '--size',
                   str(width), str(height), '--ros-args']
        self.nodes = {
            namespace: self._child(self._kind.module, [*own, '-r', f'__ns:={namespace or "/"}'],
                                   f'node{namespace.replace("/", "_")}')
            for namespace in self._namespaces}
        self._listener = self._child('peers', ['listener', *self._namespaces], 'listener')
        self._wait(lambda: self._ready == set(self._namespaces), START_S, 'offers no outputs')

    def _child(self, module: str, arguments: list[str], name: str) -> Child:
        return self._stack.enter_context(Child(
            module, arguments, self._environment, self._folder / f'{name}.txt'))

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.close()

    def play(self, rate: float, seconds: float) -> dict[str, dict[str, Any]]:
        """Send pairs to every node for so long; return what `figures` says, by namespace."""
        before = {namespace: self._report(namespace) for namespace in self._namespaces}
        memory = {namespace: node.private_mb() for namespace, node in self.nodes.items()}
        logs, players = {}, []
        with ExitStack() as stack:
            for namespace, node in self.nodes.items():
                logs[namespace] = self._folder / f'sent{namespace.replace("/", "_")}.json'
                players.append(stack.enter_context(Child('peers', [
                    'cameras', str(logs[namespace]), '--rate', str(rate), '--seconds',
                    str(seconds), '--size', *map(str, self._size), '--thermal',
                    self._plan.thermal, '--namespace', namespace or '/', '--watch',
                    str(node.pid)], self._environment,
                    self._folder / f'cameras{namespace.replace("/", "_")}.txt')))
            self._wait(lambda: all(player.exit_code is not None for player in players),
                       START_S + 2 * seconds, 'does not finish')
            for player in players:
                if player.exit_code:
                    raise EngineError(f'{player.name}: {player.last_words()}; see {player.log}')
        result = {}
        for namespace, node in self.nodes.items():
            after = self._report(namespace)
            log = json.loads(logs[namespace].read_text())
            result[namespace] = {
                **figures(log, self._out[namespace], self._plan.settle_s),
                'dropped': dropped(before[namespace], after, len(log) - 1),
                'memory_mb': {'before': memory[namespace], 'after': node.private_mb()}}
        return result

    def _report(self, namespace: str) -> dict[str, int]:
        """Return counts that were reported after this call, {} from a node that reports none."""
        if not self._kind.reports:
            return {}
        now_ns = time.time_ns()
        self._wait(lambda: self._counted_ns[namespace] > now_ns, REPORT_S, 'reports nothing')
        return self._counts[namespace]

    def _wait(self, done: Any, seconds: float, complaint: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            time.sleep(0.02)
            self._take_events()
            for process in (*self.nodes.values(), self._listener):
                if process.exit_code is not None:
                    raise EngineError(f'{process.name} ended with code {process.exit_code} '
                                      f'({process.last_words()}); see {process.log}')
            if time.monotonic() > deadline:
                raise EngineError(f'{self._kind.module} {complaint} within {seconds:g} s; see '
                                  f'{self._folder}')

    def _take_events(self) -> None:
        for event in self._listener.events():
            if 'ready' in event:
                self._ready.add(event['ready'])
            elif 'out' in event:
                namespace, stamp_ns, arrived_ns = event['out']
                self._out[namespace][stamp_ns] = arrived_ns
            else:
                self._counts[event['of']] = event['counts']
                self._counted_ns[event['of']] = event['at']


def figures(log: Sequence[tuple[int, float]], out: Mapping[int, int],
            settle_s: float) -> dict[str, Any]:
    """
    Return rates, latencies and processor time of the pairs sent after the first `settle_s`.

    `log` is that of the cameras (see peers.py), `out` maps stamps to arrivals, in nanoseconds. An
    output counts when fused image and mask are there. `cpu_ms` is the node's processor time per
    pair that came out; `cpu_between_ms` spreads over the times between two pairs sent, which is
    the cost of single pairs where the node is faster than its cameras; `gap_ms` spreads over the
    times between outputs.
    """
    stamps, spent = zip(*log)
    first = min(int(np.searchsorted(stamps, stamps[0] + settle_s * 1e9)), len(log) - 2)
    counted = stamps[first:-1]
    seconds = (stamps[-1] - counted[0]) / 1e9
    arrivals = sorted(out[stamp] for stamp in counted if stamp in out)
    gaps = (np.diff(arrivals) / 1e6).tolist()
    return {
        'sent': len(counted), 'out': len(arrivals), 'input_hz': len(counted) / seconds,
        'output_hz': 1e3 * len(gaps) / sum(gaps) if gaps else 0.0,
        'latency_ms': spread([(out[stamp] - stamp) / 1e6 for stamp in counted if stamp in out]),
        'gap_ms': spread(gaps),
        'cpu_ms': (spent[-1] - spent[first]) * 1e3 / len(arrivals) if arrivals else None,
        'cpu_between_ms': spread((np.diff(spent[first:]) * 1e3).tolist())}


def dropped(before: Mapping[str, int], after: Mapping[str, int], sent: int) -> dict[str, int]:
    """
    Return what the node counted as dropped from one report to another, by reason.

    `transport.<camera>` is what was sent and never reached it. {} from a node without reports.
    """
    new = {key: count - before.get(key, 0) for key, count in after.items()}
    reasons = {key.removeprefix('dropped.'): count for key, count in new.items()
               if key.startswith('dropped.')}
    for camera in ('rgb', 'thermal'):
        if f'received.{camera}' in new:
            reasons[f'transport.{camera}'] = sent - new[f'received.{camera}']
    return {reason: count for reason, count in reasons.items() if count}
