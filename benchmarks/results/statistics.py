"""Figures of counts added up over blocks of neighbouring frames, and their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RESAMPLES, SEED, LEVEL = 2000, 0, 0.95

Figure = Callable[[np.ndarray], np.ndarray]


def miou(counts: np.ndarray) -> np.ndarray:
    """Return the mean IoU (...) of counts (..., C, C), label by mask, over labelled classes."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    labelled, predicted = counts.sum(-1), counts.sum(-2)
    iou = hits / np.maximum(labelled + predicted - hits, 1)
    present = labelled > 0
    return np.where(present, iou, 0).sum(-1) / np.maximum(present.sum(-1), 1)


def share(counts: np.ndarray) -> np.ndarray:
    """Return the share (...) of counts (..., 2): those that do, and all; NaN where none are."""
    with np.errstate(invalid='ignore', divide='ignore'):
        return counts[..., 0] / counts[..., 1]


def difference(first: np.ndarray, second: np.ndarray,
               figure: Figure) -> tuple[float, float, float]:
    """
    Return figure(first) - figure(second) and its interval of LEVEL, lower and upper end.

    first, second: counts (B, ...) of the same B blocks. Blocks are drawn with replacement, the
    same ones of both, because frames of a block are alike and both were measured on them
    (percentile bootstrap; Efron and Tibshirani, 1993). The seed is fixed. NaN without blocks.
    """
    if not len(first):
        return (float('nan'),) * 3
    drawn = np.random.default_rng(SEED).multinomial(
        len(first), np.full(len(first), 1 / len(first)), RESAMPLES)
    found = [figure(np.tensordot(drawn, counts, 1)) for counts in (first, second)]
    ends = np.nanquantile(found[0] - found[1], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return (float(figure(first.sum(0)) - figure(second.sum(0))), *map(float, ends))
