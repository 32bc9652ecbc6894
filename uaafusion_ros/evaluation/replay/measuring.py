"""What is noted of each fused pair of a replay."""

from __future__ import annotations

from collections import Counter
import hashlib
from typing import Any

import numpy as np

from uaafusion_ros.evaluation.replay.engines import Tap
from uaafusion_ros.evaluation.replay.labels import LabelBook
from uaafusion_ros.evaluation.replay.samples import make_sample
from uaafusion_ros.evaluation.replay.samples import SampleKeeper
from uaafusion_ros.evaluation.replay.stream_metrics import gray
from uaafusion_ros.evaluation.replay.stream_metrics import quality
from uaafusion_ros.evaluation.replay.stream_metrics import Stability
from uaafusion_ros.frames import FusionResult
from uaafusion_ros.imaging.color import overlay
from uaafusion_ros.stream.frame_router import Job

# Frames are ranked by it: it falls where edges of either source are lost, and noise does not
# raise it as it does entropy or gradients.
SCORE = 'Qabf'


class Measurer:
    """
    Measures results in the order in which they come.

    `frames` has one entry per result (see docs/replay.md), `modes` how many results each mode
    made, `samples` the frames worth looking at.
    """

    def __init__(self, tap: Tap, labels: LabelBook, metrics_every: int, alpha: float) -> None:
        self._tap = tap
        self._labels = labels
        self._metrics_every = metrics_every
        self._alpha = alpha
        self._stability = Stability()
        self.samples = SampleKeeper()
        self.frames: list[dict[str, Any]] = []
        self.modes: Counter[str] = Counter()

    def measure(self, job: Job, result: FusionResult) -> np.ndarray:
        """Take the result of a job; return its overlay."""
        index, mode = len(self.frames), job.mode.value.lower()
        reference = job.reference
        drawn = overlay(result.fused, result.mask, self._tap.spec.palette, self._alpha)
        metrics: dict[str, float] = {}
        if job.pair:  # one camera alone has no fusion to measure
            metrics = self._measure_pair(index, reference.stamp_ns, job, result, drawn)
        self._labels.add_mask((job.pair.rgb if job.pair else reference).stamp_ns, result.mask)
        self.modes[mode] += 1
        self.frames.append({
            'index': index, 'stamp_ns': reference.stamp_ns,
            'skew_ms': job.pair.skew_ns / 1e6 if job.pair else None,
            'mode': mode, 'metrics': metrics,
            'fused_sha256': _sha256(result.fused), 'mask_sha256': _sha256(result.mask)})
        return drawn

    def _measure_pair(self, index: int, stamp_ns: int, job: Job, result: FusionResult,
                      drawn: np.ndarray) -> dict[str, float]:
        rgb, thermal = self._tap.rgb, self._tap.thermal
        images = thermal, gray(rgb), gray(result.fused)
        metrics = {'skew_abs_ms': abs(job.pair.skew_ns) / 1e6,
                   **self._stability.measure(*images, result.mask)}
        if index % self._metrics_every == 0:
            metrics.update(quality(*images))
        self.samples.add(
            metrics.get(SCORE, float('nan')),
            lambda: make_sample(index, stamp_ns, rgb, thermal, result.fused, drawn))
        return metrics


def _sha256(image: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
