"""Persons, vehicles and two-wheelers as boxes: connected regions of a class mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from uaafusion_ros.imaging.registration import Roi

LEAST_PIXELS = 64  # 8x8: smaller regions are mostly flicker of the mask
# What can be counted and tracked, of the class lists of the data sets that can be trained on.
NAMES = frozenset({'bicycle', 'bike', 'bus', 'car', 'motorcycle', 'pedestrian', 'person', 'rider',
                   'survivor', 'truck'})


@dataclass(frozen=True)
class DetectedObject:
    """
    One connected region of a class; `confidence` (0..1) is its mean over the region.

    `temperature` is its least, mean and greatest temperature, None where none is known.
    """

    class_id: int
    box: Roi
    confidence: float
    temperature: tuple[float, float, float] | None = None


def class_ids(classes: Iterable[str]) -> tuple[int, ...]:
    """Return the ids of the classes, given in the order of their ids, that are objects."""
    return tuple(number for number, name in enumerate(classes) if name.lower() in NAMES)


def find_objects(mask: np.ndarray, confidence: np.ndarray, ids: Iterable[int],
                 temperatures: np.ndarray | None = None) -> list[DetectedObject]:
    """
    Return the regions of at least LEAST_PIXELS of each class in `ids`.

    mask: uint8 HxW class ids; confidence: uint8 HxW, 255 = certain; temperatures: float32 HxW,
    NaN where there is none. Pixels that touch, at a corner too, are one region: persons that
    overlap in the image are one object.
    """
    found = []
    for class_id in ids:
        of_class = cv2.compare(mask, class_id, cv2.CMP_EQ)
        left, top, width, height = cv2.boundingRect(of_class)  # labelling all costs more
        if not width:
            continue
        within = np.s_[top:top + height, left:left + width]
        _, regions, stats, _ = cv2.connectedComponentsWithStats(of_class[within], connectivity=8)
        large = stats[:, cv2.CC_STAT_AREA] >= LEAST_PIXELS
        large[0] = False  # everything else
        for region in np.flatnonzero(large):
            x, y, width, height = (int(number) for number in stats[region, :4])
            inside = regions[y:y + height, x:x + width] == region
            x, y = x + left, y + top
            part = np.s_[y:y + height, x:x + width]
            temperature = None
            if temperatures is not None:
                known = temperatures[part][inside]
                known = known[~np.isnan(known)]
                if known.size:
                    temperature = (float(known.min()), float(known.mean(dtype=np.float64)),
                                   float(known.max()))
            found.append(DetectedObject(
                class_id, Roi(x, y, width, height),
                float(confidence[part][inside].mean()) / 255, temperature))
    return found
