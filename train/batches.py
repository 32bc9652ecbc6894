"""Batches as tensors: a pure function of (samples, seed, step)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train import augment
from train.config import Data
from train.data import Sample
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE
from uaafusion_ros.network.segmentation import rgb_to_ycrcb


@dataclass(frozen=True)
class Batch:
    """Thermal and luma (B, 1, H, W), chroma (B, 2, H, W), label (B, H, W), sample indices."""

    thermal: Tensor
    luma: Tensor
    chroma: Tensor
    label: Tensor
    indices: tuple[int, ...]


def training_batch(samples: list[Sample], data: Data, seed: int, step: int,
                   lost: float = 0.0) -> Batch:
    """Return augmented random crops; `lost` is the probability of a missing camera."""
    rng = np.random.default_rng((seed, step))
    picks = rng.integers(0, len(samples), data.batch)
    rows = []
    for pick in picks:
        rgb, thermal, label = augment.crop(
            samples[pick], data.crop, rng, (data.smallest, data.largest))
        rgb, thermal = augment.photometric(rgb, thermal, rng)
        rgb, thermal = augment.faults(rgb, thermal, rng, lost)
        rows.append((rgb, thermal, label))
    return _stack(rows, tuple(int(p) for p in picks))


def whole(sample: Sample, index: int = 0, multiple: int = 32) -> Batch:
    """Return one whole sample, cropped at the right and bottom to a multiple of `multiple`."""
    height, width = (n // multiple * multiple for n in sample.thermal.shape)
    window = np.s_[:height, :width]
    label = sample.label
    if label is None:
        label = np.full(sample.thermal.shape, IGNORE, np.uint8)
    row = (sample.rgb[window].astype(np.float32) / 255,
           sample.thermal[window].astype(np.float32) / 255, label[window])
    return _stack([row], (index,))


def _stack(rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
           indices: tuple[int, ...]) -> Batch:
    rgb = torch.from_numpy(np.stack([row[0] for row in rows])).permute(0, 3, 1, 2)
    luma, chroma = rgb_to_ycrcb(rgb)
    thermal = torch.from_numpy(np.stack([row[1] for row in rows])).unsqueeze(1)
    label = torch.from_numpy(np.stack([row[2] for row in rows]))
    return Batch(thermal, luma, chroma, label, indices)
