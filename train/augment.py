"""
Random crops and the faults of real cameras, on one pair at a time.

Every function is pure given its `numpy.random.Generator`. Images are float32 in [0, 1].
"""

from __future__ import annotations

import cv2
import numpy as np

from train.data import Sample
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE


def crop(sample: Sample, size: int, rng: np.random.Generator,
         scales: tuple[float, float] = (0.6, 1.6),
         focus: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Cut a flipped square of `size` pixels from the pair, scaled by a factor within `scales`.

    Small images bound the scale from below: a square never exceeds them.
    With probability `focus` the square is laid over a random labelled pixel, so that rare
    classes are seen. Returns rgb (size, size, 3), thermal (size, size) float32 and label uint8
    (255 where unknown).
    """
    height, width = sample.thermal.shape
    scale = float(np.exp(rng.uniform(*np.log(scales))))
    side = int(np.clip(round(size / scale), 32, min(height, width)))
    top = int(rng.integers(0, height - side + 1))
    left = int(rng.integers(0, width - side + 1))
    if sample.label is not None and rng.random() < focus:
        present = np.flatnonzero(np.bincount(sample.label.ravel(), minlength=2)[1:IGNORE]) + 1
        if present.size:
            rows, columns = np.nonzero(sample.label == rng.choice(present))
            pick = int(rng.integers(0, rows.size))
            top = int(np.clip(rows[pick] - rng.integers(0, side), 0, height - side))
            left = int(np.clip(columns[pick] - rng.integers(0, side), 0, width - side))
    window = np.s_[top:top + side, left:left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    rgb = cv2.resize(sample.rgb[window], (size, size), interpolation=method)
    thermal = cv2.resize(sample.thermal[window], (size, size), interpolation=method)
    if sample.label is None:
        label = np.full((size, size), IGNORE, np.uint8)
    else:
        label = cv2.resize(sample.label[window], (size, size), interpolation=cv2.INTER_NEAREST)
    if rng.random() < 0.5:
        rgb, thermal, label = rgb[:, ::-1], thermal[:, ::-1], label[:, ::-1]
    return (np.ascontiguousarray(rgb, np.float32) / 255,
            np.ascontiguousarray(thermal, np.float32) / 255, np.ascontiguousarray(label))


def mixed(below: tuple[np.ndarray, ...], above: tuple[np.ndarray, ...],
          rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """
    Lay the labelled objects of one crop over another (ClassMix: Olsson et al., WACV 2021).

    below, above: rgb, thermal and label as `crop` returns them, of one size. A random half of the
    classes in `above`, never the first or the unknown, comes along with its pixels of both images.
    """
    present = np.flatnonzero(np.bincount(above[2].ravel(), minlength=2)[1:IGNORE]) + 1
    if not present.size:
        return below
    chosen = rng.choice(present, max(1, round(present.size / 2)), replace=False)
    over = np.isin(above[2], chosen)
    return (np.where(over[..., None], above[0], below[0]), np.where(over, above[1], below[1]),
            np.where(over, above[2], below[2]))


def pseudo_thermal(rgb: np.ndarray, label: np.ndarray, warm: dict[int, float],
                   rng: np.random.Generator) -> np.ndarray:
    """
    Return what stands in for the thermal image of an RGB crop, float32 (H, W).

    Gray or inverted gray at a low contrast, blurred, its objects warmer by a random part of
    `warm` (by class id).
    """
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) ** rng.uniform(0.7, 1.6)
    gray = (1 - gray if rng.random() < 0.5 else gray) * rng.uniform(0.15, 0.5)
    heat = np.zeros_like(gray)
    for class_id, most in warm.items():
        heat[label == class_id] = rng.uniform(0.1, 1.0) * most
    image = gray * (1 - 0.5 * (heat > 0)) + heat
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.4))
    return np.clip(image, 0, 1).astype(np.float32)


def photometric(rgb: np.ndarray, thermal: np.ndarray,
                rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """
    Change exposure, gain, offset and noise as cameras do.

    MSRS thermal is dark (means of 12 to 32 of 255); without a random gain and offset a network
    learns that level instead of the contrast.
    """
    if rng.random() < 0.6:
        low, high = float(thermal.min()), float(thermal.max())
        gain = float(np.exp(rng.uniform(0, np.log(3.0))))
        gain = min(gain, 1.0 / max(high - low, 0.05))
        room = max(0.0, 1.0 - gain * (high - low))
        offset = rng.uniform(0, room) * rng.random()
        thermal = (thermal - low * rng.random()) * gain + offset
    if rng.random() < 0.05:  # black is hot
        thermal = thermal.max() - thermal
    if rng.random() < 0.15:  # gray cameras are mounted too
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if rng.random() < 0.5:
        rgb = np.clip(rgb, 0, 1) ** rng.uniform(0.6, 1.7) * rng.uniform(0.6, 1.15)
    if rng.random() < 0.2:
        thermal = thermal + rng.normal(0, rng.uniform(0.002, 0.02), thermal.shape)
        rgb = rgb + rng.normal(0, rng.uniform(0.002, 0.02), rgb.shape)
    return (np.clip(rgb, 0, 1).astype(np.float32), np.clip(thermal, 0, 1).astype(np.float32))


def faults(rgb: np.ndarray, thermal: np.ndarray, rng: np.random.Generator,
           lost: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """
    Break a pair as cameras and mounts do: a thermal image off by a few pixels, dead rows, a loss.

    With probability `lost` one of the two images is black, as when its camera is gone.
    """
    size = thermal.shape[0]
    if rng.random() < 0.2:
        shift = np.float32([[1, 0, rng.normal(0, 1.5)], [0, 1, rng.normal(0, 1.5)]])
        thermal = cv2.warpAffine(thermal, shift, thermal.shape[::-1],
                                 borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.05:
        thermal = thermal.copy()
        thermal[rng.integers(0, size, int(rng.integers(1, 4)))] = rng.choice((0.0, 1.0))
    if rng.random() < lost:
        if rng.random() < 0.5:
            thermal = np.zeros_like(thermal)
        else:
            rgb = np.zeros_like(rgb)
    return rgb, thermal
