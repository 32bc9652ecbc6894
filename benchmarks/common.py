"""What the benchmarks share: their plan, interleaved rounds, medians of runs, and provenance."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
import hashlib
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
import json
import os
from pathlib import Path
import platform
from statistics import median
import time
from typing import Any

import numpy as np

from uaafusion_ros import share
from uaafusion_ros.engine.models import shipped

ROOT = Path(__file__).resolve().parents[1]
# Threads that still spin after one engine's turn would slow the next one's.
REST_S = 0.02
PACKAGES = ('uaafusion_ros', 'numpy', 'opencv-python', 'opencv-python-headless', 'openvino',
            'onnxruntime', 'torch', 'ros-rclpy', 'ros-rmw-fastrtps-cpp')


@dataclass(frozen=True)
class Plan:
    """
    What to run: sizes are (width, height), rates in pairs per second, times in seconds.

    `rounds` are turns of every engine in each of the `runs`; `settle_s` passes before a node's
    figures count; `bare_rates` are those of nodes without engine; `flood_hz` is more than any
    node here can take.
    """

    size: tuple[int, int] = (640, 480)
    sizes: tuple[tuple[int, int], ...] = ((320, 256), (640, 480), (1280, 1024))
    threads: int = 2
    runs: int = 3
    rounds: int = 15
    rates: tuple[float, ...] = (5.0, 10.0, 15.0, 30.0)
    bare_rates: tuple[float, ...] = (10.0, 30.0)
    seconds: float = 10.0
    settle_s: float = 2.0
    flood_hz: float = 60.0
    thermal: str = 'mono16'


# Shows that everything runs, and nothing else.
QUICK = Plan(size=(160, 128), sizes=((96, 64), (160, 128)), runs=1, rounds=2, rates=(10.0,),
             bare_rates=(10.0,), seconds=1.5, settle_s=0.5, flood_hz=150.0)


def rounds(contenders: Mapping[str, Callable[[], Any]], count: int, warm_up: int = 2,
           rest_s: float = REST_S) -> dict[str, dict[str, float]]:
    """
    Time contenders in turns, so that drift of the machine meets all alike.

    Each round starts with another one. Returns, by name, milliseconds of wall time (p50, p95)
    and of the processor (cpu, the median).
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
    return {name: _times(*zip(*rows)) for name, rows in taken.items()}


def _times(wall: Sequence[float], cpu: Sequence[float]) -> dict[str, float]:
    return {'p50_ms': float(np.percentile(wall, 50)), 'p95_ms': float(np.percentile(wall, 95)),
            'cpu_ms': median(cpu)}


def spread(values: Sequence[float]) -> dict[str, float]:
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


def machine() -> dict[str, Any]:
    """Return what a figure depends on, the load at the start among it."""
    cores = len(os.sched_getaffinity(0))
    return {'processor': _processor(), 'cores': cores, 'load_before': os.getloadavg()[0],
            'system': f'{platform.system()} {platform.machine()}'}


def versions() -> dict[str, str]:
    """Return the versions of Python and of what is installed of the packages that matter."""
    found = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def config_hash(plan: Plan) -> str:
    """Return a hash of the plan, the model, the node's parameters and the DDS profile."""
    digest = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode())
    digest.update(shipped('fast')[1].encode())
    for name in ('fusion.yaml', 'fastdds.xml'):
        digest.update(share.path('config', name).read_bytes())
    return digest.hexdigest()[:16]


def provenance(plan: Plan) -> dict[str, Any]:
    """Return what stands at the head of every result."""
    return {'machine': machine(), 'versions': versions(), 'plan': asdict(plan),
            'config': config_hash(plan), 'model': shipped('fast')[1][:16]}


def _processor() -> str:
    """Name the processor; platform.processor() is empty on most Linux systems."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(':')[2].strip() for line in lines
                 if line.startswith('model name')), platform.processor())
