"""A method over all pairs: the mean of every metric and one confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import sys

import numpy as np

from benchmarks.results.methods import gray
from benchmarks.results.methods import Method
from benchmarks.results.store import Store
from train.data import Sample
from uaafusion_ros.evaluation.segmentation_metrics import confusion


@dataclass(frozen=True)
class Measured:
    """Mean of each metric over `pairs` pairs; the confusion counts of a method with masks."""

    means: dict[str, float]
    counts: np.ndarray | None
    pairs: int


def measure(method: Method, samples: Sequence[Sample], classes: int, store: Store) -> Measured:
    """
    Measure one method, on gray images of 8 bits.

    Thermal is taken as it is, RGB and fused colour images as BT.601 luma, rounded, the way OpenCV
    converts them.
    """
    rows, counts = [], None
    for number, sample in enumerate(samples, 1):
        progress(f'{method.name}: {number}/{len(samples)}')
        fused, mask = method.fuse(sample)
        rows.append(store.metrics(sample.thermal, gray(sample.rgb), gray(fused)))
        if mask is not None:
            found = confusion(mask, sample.label, classes)
            counts = found if counts is None else counts + found
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return Measured(means, counts, len(samples))


def progress(text: str) -> None:
    """Say on a terminal what is going on, over what was said before."""
    if sys.stderr.isatty():
        print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)
