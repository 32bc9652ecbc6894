"""
What is measured of each fused pair of a stream, and how the values of all pairs are summed up.

The stability measures compare a frame with the one before, where both sources are *still*: where
neither thermal nor luma changed by more than STILL_LEVELS gray levels. They are NaN for the
first frame, after a change of size, and where less than LEAST_STILL of the image is still.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import math

import cv2
import numpy as np

from uaafusion_ros.evaluation.fusion_metrics import evaluate
from uaafusion_ros.evaluation.fusion_metrics import METRICS
from uaafusion_ros.evaluation.fusion_metrics import SMALLEST

STILL_LEVELS = 2
LEAST_STILL = 0.1

# Name: (which way is better: up, down or neither; unit).
_UNITS = {'EN': 'bit', 'SD': 'levels', 'SF': 'levels', 'AG': 'levels', 'MI': 'nat', 'PSNR': 'dB',
          'MSE': 'levels²'}
MEASURES: Mapping[str, tuple[str, str]] = {
    **{m.name: ('up' if m.higher_is_better else 'down', _UNITS.get(m.name, '')) for m in METRICS},
    'flicker': ('down', 'levels'),
    'mask_flicker': ('down', ''),
    'still_share': ('', ''),
    'skew_abs_ms': ('down', 'ms'),
}
_NAN = float('nan')


def gray(image: np.ndarray) -> np.ndarray:
    """BT.601 luma of a uint8 RGB image."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def quality(thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """Return the fusion metrics of three uint8 HxW images; NaN where they are too small."""
    if min(fused.shape) < SMALLEST:
        return {metric.name: _NAN for metric in METRICS}
    return evaluate(thermal, luma, fused)


class Stability:
    """Compares each frame with the one before; holds one frame."""

    def __init__(self) -> None:
        self._before: tuple[np.ndarray, ...] | None = None

    def measure(self, thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray,
                mask: np.ndarray) -> dict[str, float]:
        """
        Return flicker, mask_flicker and still_share of the next frame; all images uint8 HxW.

        flicker: mean over the still pixels of max(0, |dF| - max(|dA|, |dB|)), in gray levels: the
        change of F that neither source made. It is 0 (up to rounding) for any fixed weighted mean
        or selection of the sources, which cannot change more than they do. mask_flicker: share of
        the still pixels that changed their class. still_share: share of still pixels.
        """
        before, self._before = self._before, (thermal, luma, fused, mask)
        if before is None or before[0].shape != thermal.shape:
            return {'flicker': _NAN, 'mask_flicker': _NAN, 'still_share': _NAN}
        moved = np.maximum(cv2.absdiff(thermal, before[0]), cv2.absdiff(luma, before[1]))
        still = moved <= STILL_LEVELS
        share = float(np.count_nonzero(still) / still.size)
        if share < LEAST_STILL:
            return {'flicker': _NAN, 'mask_flicker': _NAN, 'still_share': share}
        # cv2.subtract stops at 0.
        excess = cv2.subtract(cv2.absdiff(fused, before[2]), moved)
        return {'flicker': float(excess[still].mean()),
                'mask_flicker': float(np.mean((mask != before[3])[still])),
                'still_share': share}


def summarise(rows: Iterable[Mapping[str, float | None]]) -> dict[str, dict]:
    """
    Return mean, median, p05, p95, min, max and n of every measure over the rows that have it.

    Values that are None, NaN or infinite are left out, and n says how many were not; a measure
    without any value is not in the answer.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None and math.isfinite(value):
                values.setdefault(name, []).append(value)
    summary = {}
    for name, (direction, unit) in MEASURES.items():
        if name not in values:
            continue
        low, median, high = np.percentile(values[name], (5, 50, 95)).tolist()
        summary[name] = {
            'mean': float(np.mean(values[name])), 'median': median, 'p05': low, 'p95': high,
            'min': min(values[name]), 'max': max(values[name]), 'n': len(values[name]),
            'direction': direction, 'unit': unit}
    return summary
