"""What the benchmarks share: their plan, where they ran, and tables."""

from __future__ import annotations

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
from typing import Any

from tabulate import tabulate

from uaafusion_ros import share
from uaafusion_ros.engine.models import shipped

ROOT = Path(__file__).resolve().parents[1]
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
QUICK = Plan(size=(160, 128), sizes=((96, 64), (160, 128)), threads=1, runs=1, rounds=2,
             rates=(10.0,), bare_rates=(10.0,), seconds=1.5, settle_s=0.5, flood_hz=150.0)


def machine() -> dict[str, Any]:
    """Return what a figure depends on, the load at the start among it."""
    named = [line.partition(':')[2].strip()
             for line in Path('/proc/cpuinfo').read_text().splitlines()
             if line.startswith('model name')]
    return {'processor': named[0] if named else platform.machine(),
            'cores': len(os.sched_getaffinity(0)), 'load_before': os.getloadavg()[0]}


def versions() -> dict[str, str]:
    """Return the versions of Python and of what is installed of the packages that matter."""
    found = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def provenance(plan: Plan) -> dict[str, Any]:
    """Return what stands at the head of every result; `config` is a hash of what may be set."""
    digest = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode())
    digest.update(shipped('fast')[1].encode())
    for name in ('fusion.yaml', 'fastdds.xml'):
        digest.update(share.path('config', name).read_bytes())
    return {'machine': machine(), 'versions': versions(), 'plan': asdict(plan),
            'config': digest.hexdigest()[:16], 'model': shipped('fast')[1][:16]}


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]],
          digits: Sequence[int] | int = 1) -> str:
    """Return a Markdown table; floats get so many digits, those of a column or all."""
    each = [digits] * len(titles) if isinstance(digits, int) else digits
    return tabulate(rows, titles, 'pipe', floatfmt=[f'.{count}f' for count in each],
                    missingval='-')
