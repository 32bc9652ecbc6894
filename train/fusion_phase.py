"""
Phase 2: the unfolding network alone, under random attributions.

It learns to carry out whatever weights and attention it is given, so that it needs no particular
segmentation network and keeps working where that one errs.
"""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from train import losses
from train.batches import training_batch
from train.batches import whole
from train.config import Config
from train.data import read
from train.target import target
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.presets import preset
from uaafusion_ros.network.unfolding import Attention

LOST = 0.05
REGIONS = 5  # at most, in one crop


class FusionPhase:
    """Trains `module`, the unfolding network of `config.preset`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.spec = preset(config.preset)
        self.module: nn.Module = make_fusion(self.spec)
        self.module.to(memory_format=torch.channels_last)
        self.samples = [s for source in config.data.train for s in read(source)]
        self.val = [s for source in config.data.val for s in read(source)]
        self.meta = {'part': 'fusion', 'preset': config.preset,
                     'samples': [s.name for s in self.samples]}

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return all parameters at the full learning rate."""
        return [(list(self.module.parameters()), 1.0)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch under random weights and attention."""
        weight = self.config.loss
        batch = training_batch(
            self.samples, self.config.data, self.config.seed, step, lost=LOST)
        generator = torch.Generator().manual_seed(self.config.seed + step)
        weights = random_weights(batch.luma.shape, generator)
        attention = random_attention(self.spec.stages, batch.luma.shape[0], generator)
        fused = self.module(batch.thermal, batch.luma, weights, attention)[-1]
        parts = fusion_losses(fused, batch.thermal, batch.luma, weights)
        total = sum(getattr(weight, name) * value for name, value in parts.items())
        return total, {name: value.item() for name, value in parts.items()}

    def validate(self, module: nn.Module) -> tuple[float, dict[str, float]]:
        """Return the mean absolute error against the target at even weights."""
        error = 0.0
        for sample in self.val:
            batch = whole(sample)
            even = torch.full_like(batch.luma, 0.5)
            fused = module(batch.thermal, batch.luma, even, lambda *_: torch.zeros(1, 1, 1, 1))[-1]
            error += losses.likeness(fused, target(batch.thermal, batch.luma, even)).item()
        return -error / len(self.val), {'target': error / len(self.val)}


def fusion_losses(fused: Tensor, thermal: Tensor, luma: Tensor,
                  w_thermal: Tensor) -> dict[str, Tensor]:
    """Return the losses of the unclipped fused luma (B, 1, H, W) under weights w1."""
    return {
        'target': losses.likeness(fused, target(thermal, luma, w_thermal)),
        'intensity': losses.intensity(fused, thermal, luma, w_thermal),
    }


def random_weights(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return w1 (B, 1, H, W): a few soft blobs, each with a share of its own, many of one half."""
    count, _, height, width = shape
    fields = torch.rand(count, REGIONS, 6, 6, generator=generator)
    fields = F.interpolate(
        fields, size=(height // 8, width // 8), mode='bicubic', align_corners=False)
    share = torch.rand(count, REGIONS, 1, 1, generator=generator)
    even = torch.rand(count, REGIONS, 1, 1, generator=generator) < 0.4
    share = torch.where(even, torch.full_like(share, 0.5), share)
    weights = (torch.softmax(40 * fields, dim=1) * share).sum(1, keepdim=True)
    return F.interpolate(weights, size=(height, width), mode='bilinear', align_corners=False)


def random_attention(stages: int, count: int, generator: torch.Generator) -> Attention:
    """Return maps of the size of normalised attributions, smooth and without meaning."""
    noise = torch.randn(stages, count, 1, 5, 5, generator=generator)
    loud = torch.rand(1, generator=generator) * 2

    def attention(stage: int, iterates: list[Tensor]) -> Tensor:
        if stage == 0:
            return noise.new_zeros(1, 1, 1, 1)
        size = tuple(n // 2 for n in iterates[0].shape[2:])
        return F.interpolate(noise[stage] * loud, size=size, mode='bilinear')

    return attention
