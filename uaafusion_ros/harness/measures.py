"""How the benchmarks measure: contenders in turns, medians of runs, ratios within runs."""

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
        groups: list[Any] = [run for run in runs if isinstance(run, kind)]
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
