"""Nodes under load: a node's process, its cameras and a listener, and what came of each pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
import time
from typing import Any

import numpy as np

from uaafusion_ros.errors import EngineError
from uaafusion_ros.harness.camera import Cameras
from uaafusion_ros.harness.measures import spread
from uaafusion_ros.harness.processes import check_alive
from uaafusion_ros.harness.processes import held
from uaafusion_ros.harness.processes import private_ros
from uaafusion_ros.harness.processes import Process
from uaafusion_ros.harness.topics import FUSED_TOPIC
from uaafusion_ros.harness.topics import MASK_TOPIC

_START_S = 120.0
_REPORT_S = 3.0  # for the next diagnostics, which come once a second


@dataclass(frozen=True)
class NodeKind:
    """A node to measure: Python's arguments for it, and whether it reports on /diagnostics."""

    arguments: tuple[str, ...]
    reports: bool = True


class NodesUnderLoad:
    """
    One node of a kind per namespace, and a listener to all; a context manager that ends them.

    The nodes run `threads` threads on images of `size` (width, height), thermal as `thermal`
    (mono8 or mono16); what came in the first `settle_s` seconds of a run does not count. Raises
    EngineError where a process ends or says nothing, DependencyError without ROS.
    """

    def __init__(self, kind: NodeKind, folder: Path, *, size: tuple[int, int], threads: int,
                 thermal: str, settle_s: float, namespaces: Sequence[str] = ('',)) -> None:
        """Start everything and wait until the outputs are offered; logs go to `folder`."""
        self._kind, self._folder, self._size, self._threads = kind, folder, size, threads
        self._thermal, self._settle_s = thermal, settle_s
        self._arrived: dict[str, dict[int, int]] = defaultdict(dict)  # by topic and stamp
        self._reports: dict[str, dict[str, Any]] = {}
        self._ready: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._environment = stack.enter_context(private_ros(folder))
            self.nodes = {
                namespace: stack.enter_context(self._process(
                    [*kind.arguments, *self._arguments(), '-r', f'__ns:={namespace or "/"}'],
                    f'node{namespace.replace("/", "_")}')) for namespace in namespaces}
            self._listener = stack.enter_context(self._process(
                ['-m', 'uaafusion_ros.harness.recorder', '--namespaces', *namespaces, '--topics',
                 FUSED_TOPIC, MASK_TOPIC], 'listener'))
            self._wait(lambda: self._ready == set(namespaces), _START_S, 'offers no outputs')
            self._stack = stack.pop_all()

    def _arguments(self) -> list[str]:
        width, height = self._size
        if self._kind.reports:
            return ['--ros-args', '-p', f'engine.threads:={self._threads}',
                    '-p', f'engine.warmup_size:={[width, height]}']
        return ['--threads', str(self._threads), '--size', str(width), str(height), '--ros-args']

    def _process(self, arguments: list[str], name: str) -> Process:
        return Process(arguments, self._environment, self._folder / f'{name}.txt')

    def __enter__(self) -> NodesUnderLoad:
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
                '--thermal-encoding', self._thermal, '--namespace', namespace or '/',
                '--watch', node.pid, '--wait', _START_S / 2, environment=self._environment))
                for namespace, node in self.nodes.items()}
            self._wait(lambda: all(each.exit_code is not None for each in cameras.values()),
                       _START_S + 2 * seconds, 'does not finish')
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
                **figures(stamps, sent[namespace]['spent'], arrived, self._settle_s),
                'dropped': dropped(before[namespace], after, len(stamps) - 1),
                'memory_mb': {'before': memory[namespace] / 1024,
                              'after': held(node.pid)['private'] / 1024}}
        return result

    def _counts(self, namespace: str) -> dict[str, int]:
        """Return counts that were reported after this call, {} from a node that reports none."""
        if not self._kind.reports:
            return {}
        now_ns = time.time_ns()
        self._wait(lambda: self._reports.get(namespace, {}).get('at', 0) > now_ns, _REPORT_S,
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


def figures(stamps: Sequence[int], spent: Sequence[float], arrived: Mapping[int, int],
            settle_s: float) -> dict[str, Any]:
    """
    Return rates, latencies and processor time of the pairs sent after the first `settle_s`.

    `stamps` (ns) and `spent` (processor seconds of the node so far) are those of each pair when it
    was sent, and of the end; `arrived` maps stamps to the time (ns) when all outputs were there.
    `cpu_ms` is the node's processor time per pair that came out; `cpu_between_ms` spreads over the
    times between two pairs sent, which is the cost of single pairs where the node is faster than
    its cameras; `gap_ms` spreads over the times between outputs.
    """
    first = min(int(np.searchsorted(stamps, stamps[0] + settle_s * 1e9)), len(stamps) - 2)
    counted = stamps[first:-1]
    seconds = (stamps[-1] - counted[0]) / 1e9
    out = {stamp: arrived[stamp] for stamp in counted if stamp in arrived}
    gaps = (np.diff(sorted(out.values())) / 1e6).tolist()
    return {
        'sent': len(counted), 'out': len(out), 'input_hz': len(counted) / seconds,
        'output_hz': 1e3 * len(gaps) / sum(gaps) if gaps else 0.0,
        'latency_ms': spread([(at - stamp) / 1e6 for stamp, at in out.items()]),
        'gap_ms': spread(gaps),
        'cpu_ms': (spent[-1] - spent[first]) * 1e3 / len(out) if out else None,
        'cpu_between_ms': spread((np.diff(spent[first:]) * 1e3).tolist())}


def dropped(before: Mapping[str, int], after: Mapping[str, int], sent: int) -> dict[str, int]:
    """
    Return what a node counted as dropped from one report to another, by reason.

    `transport.<camera>` is what was sent and never reached it. {} from a node without reports.
    """
    new = {key: count - before.get(key, 0) for key, count in after.items()}
    reasons = {key.removeprefix('dropped.'): count for key, count in new.items()
               if key.startswith('dropped.')}
    for camera in ('rgb', 'thermal'):
        if f'received.{camera}' in new:
            reasons[f'transport.{camera}'] = sent - new[f'received.{camera}']
    return {reason: count for reason, count in reasons.items() if count}
