"""Which frames of a run are worth looking at, chosen while it runs and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from uaafusion_ros.evaluation.page import Sample

EACH = 4
_SPACED = 2 * EACH
_LONGEST_SIDE = 960


def make_sample(index: int, stamp_ns: int, rgb: np.ndarray, thermal: np.ndarray,
                fused: np.ndarray, overlay: np.ndarray) -> Sample:
    """Return a sample, scaled down where an image's longer side has more than 960 pixels."""
    height, width = thermal.shape
    scale = _LONGEST_SIDE / max(height, width)
    images = [rgb, thermal, fused, overlay]
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        images = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return Sample(index, stamp_ns, *images)


class SampleKeeper:
    """
    Keeps the four worst and best frames by a score (higher is better) and evenly spaced ones.

    It never holds more than sixteen, however long the run.
    """

    def __init__(self) -> None:
        self._worst: list[tuple[float, int, Sample]] = []
        self._best: list[tuple[float, int, Sample]] = []
        self._spaced: list[Sample] = []
        self._stride = 1
        self._seen = 0

    def add(self, score: float, make: Callable[[], Sample]) -> None:
        """Look at the next frame; `make` is called if it is kept. A NaN score is no score."""
        made: list[Sample] = []

        def sample() -> Sample:
            if not made:
                made.append(make())
            return made[0]

        if self._seen % self._stride == 0:
            self._spaced.append(sample())
            if len(self._spaced) > _SPACED:
                self._spaced = self._spaced[::2]
                self._stride *= 2
        self._seen += 1
        for kept, rank in ((self._worst, score), (self._best, -score)):
            if score == score and (len(kept) < EACH or rank < kept[-1][0]):
                one = sample()
                kept.append((rank, one.index, one))
                kept.sort(key=lambda entry: entry[:2])
                del kept[EACH:]

    def result(self) -> tuple[list[Sample], dict[str, list[int]]]:
        """Return the samples by index, and the indices of each group, the most telling first."""
        worst = [sample for *_, sample in self._worst]
        taken = {sample.index for sample in worst}
        best = [sample for *_, sample in self._best if sample.index not in taken]
        places = np.linspace(0, len(self._spaced) - 1, min(EACH, len(self._spaced)))
        spaced = [self._spaced[round(place)] for place in places]
        groups = {'worst': worst, 'best': best, 'spaced': spaced}
        samples = {sample.index: sample for group in groups.values() for sample in group}
        return ([samples[index] for index in sorted(samples)],
                {name: [sample.index for sample in group] for name, group in groups.items()})
