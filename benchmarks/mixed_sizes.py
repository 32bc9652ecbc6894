"""
Pairs that differ in size beside as many of their mean size, in turns, compilation included.

`python benchmarks/mixed_sizes.py` prints the time of both and their ratio.
"""

from __future__ import annotations

from argparse import ArgumentParser
from statistics import mean
import time

from common import table
import numpy as np

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.loading import load_backend

WIDTHS, HEIGHTS = (320, 641), (240, 481)


def timed(backend: Backend, height: int, width: int, rng: np.random.Generator) -> float:
    """Return the seconds that a pair of noise takes."""
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    thermal = np.ascontiguousarray(rgb[..., 0])
    began = time.perf_counter()
    backend.infer(rgb, thermal)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print a table."""
    parser = ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--pairs', type=int, default=200)
    parser.add_argument('--backend', nargs='+', default=['openvino', 'onnxruntime'])
    parser.add_argument('--threads', type=int, default=0)
    options = parser.parse_args()
    rows = []
    for name in options.backend:
        rng = np.random.default_rng(0)
        sizes = list(zip(*(rng.integers(*sides, options.pairs) for sides in (HEIGHTS, WIDTHS))))
        one = tuple(round(mean(map(int, sides))) for sides in zip(*sizes))
        mixed, alike = (load_backend(backend=name, threads=options.threads) for _ in range(2))
        took = [(timed(mixed, *size, rng), timed(alike, *one, rng)) for size in sizes]
        of_mixed, of_one = map(sum, zip(*took))
        rows.append([name, len(sizes), of_mixed, of_one, of_mixed / of_one])
        mixed.close()
        alike.close()
    print(table(['runtime', 'pairs', 'of as many sizes, s', 'of one size, s', 'ratio'], rows, 2))


if __name__ == '__main__':
    main()
