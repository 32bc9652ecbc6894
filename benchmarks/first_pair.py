"""
Process start to the first fused pair, with an empty and with a filled cache of engines.

`python benchmarks/first_pair.py` prints the seconds of new processes that fuse one VGA pair.
"""

from __future__ import annotations

from argparse import ArgumentParser
import os
from statistics import median
import subprocess
import sys
from tempfile import TemporaryDirectory
import time

from common import table

FUSE = """
import numpy as np
from uaafusion_ros import load
load(backend={!r}).fuse(np.zeros((480, 640, 3), np.uint8), np.zeros((480, 640), np.uint8))
"""


def timed(backend: str, cache: str) -> tuple[float, float]:
    """Return the seconds of a process, by the clock and of the processor."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, '-c', FUSE.format(backend)], check=True,
                   env={**os.environ, 'XDG_CACHE_HOME': cache})
    after = os.times()
    used = (after.children_user + after.children_system
            - before.children_user - before.children_system)
    return time.perf_counter() - began, used


def main() -> None:
    """Measure and print a table."""
    parser = ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--backend', nargs='+', default=['openvino', 'onnxruntime'])
    options = parser.parse_args()
    rows = []
    for name in options.backend:
        cold, warm = [], []
        for _ in range(options.runs):
            with TemporaryDirectory() as cache:
                cold.append(timed(name, cache))
                warm.append(timed(name, cache))
        for what, took in (('empty', cold), ('filled', warm)):
            rows.append([name, what, *map(median, zip(*took))])
    print(table(['runtime', 'cache', 'seconds', 'processor seconds'], rows, 2))


if __name__ == '__main__':
    main()
