"""What the benchmarks compute of their measurements: turns, medians of runs, figures of streams."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from statistics import median
import time
from typing import Any

import numpy as np

# Threads that still spin after one engine's turn would slow the next one's.
_REST_S = 0.02


def rounds(contenders: Mapping[str, Callable[[], Any]], count: int, warm_up: int = 2,
           rest_s: float = _REST_S) -> dict[str, dict[str, float]]:
    """
    Time contenders in turns, so that drift of the machine meets all alike.

    Each round starts with another one. Returns, by name, milliseconds of wall time (p50_ms,
    p95_ms) and of the processor (cpu_ms, the median).
    """
    names = list(contenders)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(-warm_up, count):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(rest_s)
            wall, cpu = time.perf_counter(), time.process_time()
            contenders[name]()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if number >= 0:
                taken[name].append((wall * 1e3, cpu * 1e3))
    return {name: {'p50_ms': float(np.percentile(wall, 50)),
                   'p95_ms': float(np.percentile(wall, 95)), 'cpu_ms': median(cpu)}
            for name, (wall, cpu) in ((name, tuple(zip(*rows))) for name, rows in taken.items())}


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p95, p99 and mean, None without values."""
    if not values:
        return dict.fromkeys(('p50', 'p95', 'p99', 'mean'))
    p50, p95, p99 = np.percentile(values, (50, 95, 99)).tolist()
    return {'p50': p50, 'p95': p95, 'p99': p99, 'mean': float(np.mean(values))}


def median_of(runs: Sequence[Any]) -> Any:
    """
    Return the median of several runs' results: number by number through equal structures.

    A number that a run lacks counts as 0 there, a group of numbers that it lacks is left out, and
    so is None.
    """
    for kind in (Mapping, list):
        groups = [run for run in runs if isinstance(run, kind)]
        if groups and kind is list:
            return [median_of(values) for values in zip(*groups)]
        if groups:
            keys = dict.fromkeys(key for group in groups for key in group)
            return {key: median_of([group.get(key, 0) for group in groups]) for key in keys}
    numbers = [run for run in runs if run is not None]
    return median(numbers) if numbers else None


def ratio(runs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Return median, least and greatest of a / b over runs, each ratio within one run."""
    ratios = [a / b for a, b in runs]
    return {'median': median(ratios), 'low': min(ratios), 'high': max(ratios)}


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
