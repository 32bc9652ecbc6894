"""Exact class-wise attributions of every training pair, from the current segmentation network."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F
from tqdm import tqdm

from train.batches import whole
from train.data import Sample
from uaafusion_ros.network import attribution
from uaafusion_ros.network.exact import attributions


def label_by_average(segmenter: nn.Module, samples: list[Sample]) -> list[Sample]:
    """Give samples without labels the class map that the segmenter sees in the source average."""
    result = []
    for sample in tqdm(samples, desc='regions'):
        if sample.label is None:
            batch = whole(sample)
            with torch.no_grad():
                classes = segmenter((batch.luma + batch.thermal) / 2, batch.chroma).argmax(1)[0]
            height, width = classes.shape
            label = torch.zeros(sample.thermal.shape, dtype=torch.uint8)
            label[:height, :width] = classes.to(torch.uint8)
            sample = replace(sample, label=label.numpy())
        result.append(sample)
    return result


def shares(segmenter: nn.Module, samples: list[Sample], classes: int, steps: int) -> Tensor:
    """
    Return w1 per sample and class, (N, C) in [0, 1]; 0.5 where a class is absent.

    Attributions are taken at half size, which quarters the cost, and per whole image, so that
    every crop of an image shares them. The segmenter must be in eval mode.
    """
    table = torch.full((len(samples), classes), 0.5)
    for index, sample in enumerate(tqdm(samples, desc='attribution')):
        batch = whole(sample, multiple=64)
        label = batch.label[:, ::2, ::2]
        thermal, luma, chroma = (
            F.avg_pool2d(x, 2) for x in (batch.thermal, batch.luma, batch.chroma))
        neutral = torch.full_like(chroma, 0.5)
        table[index] = attribution.thermal_share(
            attributions(segmenter, thermal, neutral, label, classes, steps),
            attributions(segmenter, luma, chroma, label, classes, steps))
    return table
