"""How long the stages of a replay took, on what machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
import os
from pathlib import Path
import platform
import time
from typing import Any

import cv2
import numpy as np

from uaafusion_ros import __version__


class Stopwatch:
    """Collects milliseconds by stage; starts with its construction."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._stages: dict[str, list[float]] = defaultdict(list)

    def add(self, stage: str, milliseconds: float) -> None:
        """Take one time of a stage."""
        self._stages[stage].append(milliseconds)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Take the time that the body of a with statement takes."""
        began = time.perf_counter()
        yield
        self.add(stage, (time.perf_counter() - began) * 1e3)

    def report(self, engine: str) -> dict[str, Any]:
        """
        Return the content of timing.json.

        `overhead_share` is all time of reading and pairing over that of inference, which counts
        as its median each time: the first inference, which compiles, must not flatter it. It is
        None where a node did the inference.
        """
        stages = {name: _spread(values) for name, values in self._stages.items()}
        fused = stages.get('infer', {}).get('n', 0)
        seconds = time.perf_counter() - self._began
        overhead = None
        if fused and 'end_to_end' not in stages:
            spent = sum(sum(self._stages[stage]) for stage in ('read', 'pair'))
            overhead = spent / (fused * stages['infer']['p50'])
        return {
            'machine': {'processor': _processor(), 'cores': os.cpu_count(),
                        'system': f'{platform.system()} {platform.machine()}'},
            'versions': {'uaafusion_ros': __version__, 'python': platform.python_version(),
                         'numpy': np.__version__, 'opencv': cv2.__version__,
                         'rosbags': version('rosbags'), 'engine': engine},
            'stages': stages,
            'overhead_share': overhead,
            'frames_per_second': fused / seconds,
        }


def _spread(values: list[float]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(values, (50, 95, 99)).tolist()
    return {'p50': p50, 'p95': p95, 'p99': p99, 'mean': float(np.mean(values)), 'n': len(values)}


def _processor() -> str:
    """Name the processor; platform.processor() is empty on most Linux systems."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    return next(named, platform.processor())
