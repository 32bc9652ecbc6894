"""Batches as tensors: a pure function of (samples, seed, step), shared by processes."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import numpy as np
import torch
from torch import Tensor

from train import augment
from train.config import Data
from train.data import Sample
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE
from uaafusion_ros.network.segmentation import rgb_to_ycrcb


@dataclass(frozen=True)
class Share:
    """What process `rank` of `processes` takes of each batch, and where its tensors live."""

    rank: int = 0
    processes: int = 1
    device: torch.device = field(default_factory=lambda: torch.device('cpu'))

    def rows(self, batch: int) -> slice:
        """Return the rows of a batch of `batch` samples, a multiple of the processes."""
        part = batch // self.processes
        return slice(self.rank * part, (self.rank + 1) * part)


@dataclass(frozen=True)
class Batch:
    """
    Thermal and luma (B, 1, H, W), chroma (B, 2, H, W), label (B, H, W).

    rows: their place among the `total` samples that all processes see in this step. What is drawn
    at random per sample is drawn for all of them and taken by `rows`, so that the number of
    processes changes nothing.
    """

    thermal: Tensor
    luma: Tensor
    chroma: Tensor
    label: Tensor
    rows: slice
    total: int


def training_batch(samples: list[Sample], data: Data, seed: int, step: int,
                   lost: float = 0.0, share: Share = Share()) -> Batch:
    """Return augmented random crops; `lost` is the probability of a missing camera."""
    first, *streams = np.random.SeedSequence((seed, step)).spawn(1 + data.batch)
    picks = np.random.default_rng(first).integers(0, len(samples), data.batch)
    place = share.rows(data.batch)
    rows = []
    for pick, stream in zip(picks[place], streams[place]):
        rng = np.random.default_rng(stream)
        rgb, thermal, label = augment.crop(
            samples[pick], data.crop, rng, (data.smallest, data.largest))
        rgb, thermal = augment.photometric(rgb, thermal, rng)
        rgb, thermal = augment.faults(rgb, thermal, rng, lost)
        rows.append((rgb, thermal, label))
    return _stack(rows, place, data.batch, share.device)


def whole(sample: Sample, multiple: int = 32, share: Share = Share()) -> Batch:
    """Return one whole sample, cropped at the right and bottom to a multiple of `multiple`."""
    height, width = (n // multiple * multiple for n in sample.thermal.shape)
    window = np.s_[:height, :width]
    label = sample.label
    if label is None:
        label = np.full(sample.thermal.shape, IGNORE, np.uint8)
    row = (sample.rgb[window].astype(np.float32) / 255,
           sample.thermal[window].astype(np.float32) / 255, label[window])
    return _stack([row], slice(0, 1), 1, share.device)


def _stack(rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]], place: slice, total: int,
           device: torch.device) -> Batch:
    rgb = torch.from_numpy(np.stack([row[0] for row in rows])).to(device).permute(0, 3, 1, 2)
    luma, chroma = rgb_to_ycrcb(rgb)
    thermal = torch.from_numpy(np.stack([row[1] for row in rows])).to(device).unsqueeze(1)
    label = torch.from_numpy(np.stack([row[2] for row in rows])).to(device)
    return Batch(thermal, luma, chroma, label, place, total)
