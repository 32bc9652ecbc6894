"""
Quality beside speed: what a model gains in time and what that costs, in one table.

    python benchmarks/tradeoff.py [--model NAME=FILE ...] [--data ../shared/data] [--pairs N]

Run it from the source tree, on an otherwise idle machine. The shipped model and every FILE, such
as an earlier version of it, run on OpenVINO in float32 and, where the processor can, in bfloat16;
all take turns with the shape of SeAFusion's network in float32 (see engine.py). The same graphs
then fuse and segment the validation pairs of DATA/msrs/val; means of the metrics (docs/metrics.md)
stand beside those of the published images in DATA/peers, and so does how many of the eight are
better.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from common import Plan
import cv2
from engine import computes_bf16
from engine import openvino_graph
from engine import pair
from engine import peers
from engine import Turn
import numpy as np

# The training package, whose data set reader this shares, is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.results.methods import folder  # noqa: E402
from benchmarks.results.methods import gray  # noqa: E402
from benchmarks.results.page import spread_evenly  # noqa: E402
from benchmarks.results.tables import table  # noqa: E402
from benchmarks.results.tables import USUAL  # noqa: E402
from benchmarks.results.tables import wins  # noqa: E402
from train.config import Source  # noqa: E402
from train.data import read  # noqa: E402
from train.data import Sample  # noqa: E402
from uaafusion_ros.engine import models  # noqa: E402
from uaafusion_ros.evaluation.fusion_metrics import evaluate  # noqa: E402
from uaafusion_ros.evaluation.segmentation_metrics import confusion  # noqa: E402
from uaafusion_ros.evaluation.segmentation_metrics import scores  # noqa: E402
from uaafusion_ros.harness.measures import rounds  # noqa: E402

PEER = 'seafusion shape, openvino f32'
PUBLISHED = ('DECFusion', 'SeAFusion')


def graph(data: bytes, rgb: np.ndarray, thermal: np.ndarray, precision: str,
          threads: int) -> Turn:
    """Return one inference of a model on OpenVINO: fused, mask and confidence."""
    return openvino_graph(data, {'rgb': rgb, 'thermal': thermal}, tuple(models.OUTPUTS),
                          precision, threads)


def quality(data: bytes, precision: str, samples: Sequence[Sample], classes: int,
            threads: int) -> tuple[dict[str, float], float]:
    """Return the means of the metrics, and the mIoU of the masks, over pairs of one size."""
    rgb, thermal = (np.empty_like(image) for image in (samples[0].rgb, samples[0].thermal))
    run = graph(data, rgb, thermal, precision, threads)
    rows, counts = [], 0
    for sample in samples:
        rgb[:], thermal[:] = sample.rgb, sample.thermal
        fused, mask, _ = run()
        rows.append(evaluate(sample.thermal, gray(sample.rgb), gray(fused)))
        counts = counts + confusion(mask, sample.label, classes)
    return _means(rows), scores(counts).miou


def published(name: str, data: Path, samples: Sequence[Sample]) -> dict[str, float]:
    """Return the means of the metrics of a method's own images."""
    method = folder(name, data / 'peers' / name.lower() / 'msrs_val_y', ours=False)
    return _means([evaluate(sample.thermal, gray(sample.rgb), gray(method.fuse(sample)[0]))
                   for sample in samples])


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def named(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition('=')
    if not sign:
        raise argparse.ArgumentTypeError(f"'{text}': expected NAME=FILE")
    return name, Path(path)


def main() -> None:
    """Measure and print the table."""
    plan = Plan()
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', type=named, action='append', default=[], metavar='NAME=FILE')
    parser.add_argument('--data', type=Path, default=Path('../shared/data'))
    parser.add_argument('--pairs', type=int, help='use only so many, spread evenly')
    parser.add_argument('--threads', type=int, default=plan.threads)
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    precisions = ('f32', 'bf16') if computes_bf16() else ('f32',)
    files = {name: path.read_bytes() for name, path in options.model}
    files['shipped'], spec = models.load(*models.shipped('fast'))
    variants = {f'{name}, {precision}': (data, precision)
                for name, data in files.items() for precision in precisions}
    view = pair(plan.size)
    turns = {name: graph(data, *view, precision, options.threads)
             for name, (data, precision) in variants.items()}
    turns['peer'] = peers(plan.size, options.threads)[PEER]
    times = {name: row['p50_ms'] for name, row in rounds(turns, plan.rounds).items()}
    samples = read(Source('msrs', str(options.data / 'msrs' / 'val')))
    samples = spread_evenly(samples, options.pairs or len(samples))
    others = {name: published(name, options.data, samples) for name in PUBLISHED}
    rows = []
    for name, (data, precision) in variants.items():
        means, miou = quality(data, precision, samples, len(spec.classes), options.threads)
        rows.append([name, f'{times[name]:.0f}', f'{times["peer"] / times[name]:.1f}',
                     *(f'{means[key]:.3f}' for key in USUAL), f'{100 * miou:.1f}',
                     *(wins(means, other)[:1] for other in others.values())])
    rows += [[name, '', '', *(f'{means[key]:.3f}' for key in USUAL), '', '', '']
             for name, means in others.items()]
    print(f'{len(samples)} pairs, {options.threads} threads, {plan.size[0]}x{plan.size[1]}\n')
    print(table(['', 'ms', "rate over SeAFusion's shape", *USUAL, 'mIoU',
                 *(f'better than {name}, of 8' for name in PUBLISHED)], rows))


if __name__ == '__main__':
    main()
