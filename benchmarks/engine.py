"""
Time the pipeline on each installed backend: a pair of images in, fused image and mask out.

Run it from the source tree, on an otherwise idle machine: python benchmarks/engine.py. It prints
Markdown: milliseconds per pair, median and 95th percentile of the wall time, and processor time.
The backends take turns, so that a change of the machine's speed meets them alike.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
import time

import numpy as np

from uaafusion_ros.engine.backend import BACKENDS
from uaafusion_ros.engine.backend import load_backend
from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.pipeline import FusionPipeline


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(640, 480), metavar=('W', 'H'))
    parser.add_argument('--rounds', type=int, default=30)
    options = parser.parse_args()
    width, height = options.size
    rng = np.random.default_rng(0)
    pair = FramePair(
        Frame(rng.integers(0, 65536, (height, width), np.uint16), 0, 'thermal', 'mono16'),
        Frame(rng.integers(0, 256, (height, width, 3), np.uint8), 0, 'rgb', 'bgr8'))
    pipelines = [FusionPipeline(load_backend(backend=name))
                 for name, module, *_ in BACKENDS if find_spec(module)]
    times = {pipeline.backend.name: [] for pipeline in pipelines}
    for turn in range(options.rounds + 2):
        for pipeline in pipelines:
            before, cpu = time.perf_counter(), time.process_time()
            pipeline.process(pair)
            if turn >= 2:  # the first turns compile and warm up
                times[pipeline.backend.name].append(
                    (time.perf_counter() - before, time.process_time() - cpu))
    print(f'{width}x{height}, {options.rounds} rounds\n')
    print('| backend | p50 ms | p95 ms | processor ms |\n|---|---:|---:|---:|')
    for name, rows in times.items():
        wall, cpu = np.array(rows).T * 1e3
        print(f'| {name} | {np.median(wall):.0f} | {np.percentile(wall, 95):.0f} '
              f'| {np.median(cpu):.0f} |')


if __name__ == '__main__':
    main()
