"""Batches as tensors: a pure function of (samples, seed, step), shared by processes."""

from __future__ import annotations

from collections.abc import Sequence
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

    cameras: which of both images (thermal, luma) the sample has, bool (2, B). hidden: ids of the
    classes that label 0 does not rule out, per sample. rows: their place among the `total` samples
    that all processes see in this step. What is drawn at random per sample is drawn for all of
    them and taken by `rows`, so that the number of processes changes nothing.
    """

    thermal: Tensor
    luma: Tensor
    chroma: Tensor
    label: Tensor
    rows: slice
    total: int
    cameras: Tensor
    hidden: tuple[tuple[int, ...], ...]


# How much warmer than its surroundings, at most, a class is in pseudo-thermal images.
WARM = {'car': 0.3, 'person': 0.6}


def training_batch(samples: Sequence[Sample], data: Data, seed: int, step: int,
                   lost: float = 0.0, share: Share = Share(),
                   draws: Sequence[float] | None = None) -> Batch:
    """
    Return augmented random crops.

    lost: the probability of a missing camera; draws: how often each sample is drawn, relative to
    the others, None for evenly.
    """
    first, *streams = np.random.SeedSequence((seed, step)).spawn(1 + data.batch)
    chance = None if draws is None else np.asarray(draws) / np.sum(draws)
    picks = np.random.default_rng(first).choice(len(samples), data.batch, p=chance)
    place = share.rows(data.batch)
    rows = []
    for pick, stream in zip(picks[place], streams[place]):
        rng = np.random.default_rng(stream)
        sample, scales = samples[pick], (data.smallest, data.largest)
        rgb, thermal, label = augment.crop(sample, data.crop, rng, scales)
        cameras = sample.cameras
        if rng.random() < data.mix and not sample.hidden and sample.label is not None:
            other = samples[rng.choice(len(samples), p=chance)]
            if not other.hidden and other.label is not None:
                over = augment.crop(other, data.crop, rng, scales, focus=1.0)
                rgb, thermal, label = augment.mixed((rgb, thermal, label), over, rng)
        if cameras == 'rgb' and rng.random() < 0.7:
            warm = {sample.classes.index(name): most for name, most in WARM.items()
                    if name in sample.classes}
            thermal, cameras = augment.pseudo_thermal(rgb, label, warm, rng), 'both'
        rgb, thermal = augment.photometric(rgb, thermal, rng)
        rgb, thermal = augment.faults(rgb, thermal, rng, lost if cameras == 'both' else 0.0)
        rows.append((rgb, thermal, label, cameras, sample.hidden))
    return _stack(rows, place, data.batch, share.device)


def whole(sample: Sample, multiple: int = 32, share: Share = Share()) -> Batch:
    """Return one whole sample, cropped at the right and bottom to a multiple of `multiple`."""
    height, width = (n // multiple * multiple for n in sample.thermal.shape)
    window = np.s_[:height, :width]
    label = sample.label
    if label is None:
        label = np.full(sample.thermal.shape, IGNORE, np.uint8)
    row = (sample.rgb[window].astype(np.float32) / 255,
           sample.thermal[window].astype(np.float32) / 255, label[window], sample.cameras,
           sample.hidden)
    return _stack([row], slice(0, 1), 1, share.device)


def _stack(rows: list[tuple], place: slice, total: int, device: torch.device) -> Batch:
    rgb = torch.from_numpy(np.stack([row[0] for row in rows])).to(device).permute(0, 3, 1, 2)
    luma, chroma = rgb_to_ycrcb(rgb)
    thermal = torch.from_numpy(np.stack([row[1] for row in rows])).to(device).unsqueeze(1)
    label = torch.from_numpy(np.stack([row[2] for row in rows])).to(device)
    cameras = torch.tensor(
        [[row[3] != other for row in rows] for other in ('rgb', 'thermal')], device=device)
    return Batch(thermal, luma, chroma, label, place, total, cameras,
                 tuple(row[4] for row in rows))
