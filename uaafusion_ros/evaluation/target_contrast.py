"""
How much of a labelled object's contrast the fused image keeps, against the better source.

|mean inside - mean of a ring around it| per labelled instance, of the fused luma over that of the
source that shows the instance best. No pixel rule can know which of two contrasts belongs to an
object; a network that knows where a source carries a person can keep it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError

SMALLEST = 80  # pixels of an instance; smaller ones are mostly edge
NEAR, FAR = 3, 15  # pixels from the instance to its ring, and to the ring's outer edge
SHARES = (0.75, 0.9)


@dataclass(frozen=True)
class Instance:
    """
    A labelled object: its class id, area in pixels, and |inside - ring| in gray levels.

    `fused` is of the fused luma; `best` the larger of both sources.
    """

    class_id: int
    area: int
    fused: float
    best: float

    @property
    def kept(self) -> float:
        """Return the share of the contrast that is kept, 0 upwards; above 1 it was raised."""
        return self.fused / max(self.best, 1e-6)


@dataclass(frozen=True)
class KeptContrast:
    """
    Summary over the instances of one class.

    `fused` and `best`: mean contrasts in gray levels; `shares`: the part of the instances that
    keep at least each of SHARES. Higher is better; NaN where `count` is 0.
    """

    count: int
    fused: float
    best: float
    shares: tuple[float, ...]


def instances(thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray, label: np.ndarray,
              classes: Sequence[int]) -> list[Instance]:
    """
    Measure every instance of `classes` in one pair.

    thermal, luma, fused: uint8 or float (H, W) in gray levels; label: uint8 (H, W) class ids. An
    instance is a connected component (8 neighbours) of one class with SMALLEST pixels or more; its
    ring are the pixels NEAR to FAR from it (square distance) that carry label 0. An instance
    without such pixels is left out. Raises RegistrationError where the shapes differ.
    """
    shapes = {image.shape for image in (thermal, luma, fused, label)}
    if len(shapes) > 1:
        raise RegistrationError(
            f'thermal {thermal.shape}, luma {luma.shape}, fused {fused.shape} and label '
            f'{label.shape}; all must have one shape')
    images = [np.asarray(image, np.float32) for image in (fused, thermal, luma)]
    found = []
    for class_id in classes:
        count, parts, stats, _ = cv2.connectedComponentsWithStats(
            (label == class_id).astype(np.uint8), connectivity=8)
        for index in range(1, count):
            area = int(stats[index, cv2.CC_STAT_AREA])
            if area < SMALLEST:
                continue
            left, top, width, height = stats[index, :cv2.CC_STAT_AREA]
            window = np.s_[max(0, top - FAR):top + height + FAR,
                           max(0, left - FAR):left + width + FAR]
            inside = parts[window] == index
            ring = _grown(inside, FAR) & ~_grown(inside, NEAR - 1) & (label[window] == 0)
            if ring.any():
                of_fused, *of_sources = (
                    abs(float(image[window][inside].mean() - image[window][ring].mean()))
                    for image in images)
                found.append(Instance(class_id, area, of_fused, max(of_sources)))
    return found


def summary(found: Sequence[Instance]) -> KeptContrast:
    """Return means and shares over instances, as a rule those of one class."""
    if not found:
        return KeptContrast(0, float('nan'), float('nan'), (float('nan'),) * len(SHARES))
    kept = np.array([instance.kept for instance in found])
    return KeptContrast(
        len(found), float(np.mean([instance.fused for instance in found])),
        float(np.mean([instance.best for instance in found])),
        tuple(float((kept >= share).mean()) for share in SHARES))


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    kernel = np.ones((2 * pixels + 1,) * 2, np.uint8)
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)
