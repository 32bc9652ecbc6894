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
from train.batches import Batch
from train.batches import Share
from train.batches import training_batch
from train.batches import whole
from train.config import Config
from train.config import Loss
from train.data import names_of
from train.data import read_all
from train.target import emphasised
from train.target import target
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.contrast import CELL
from uaafusion_ros.network.contrast import rebased
from uaafusion_ros.network.presets import Preset
from uaafusion_ros.network.presets import preset
from uaafusion_ros.network.unfolding import Attention
from uaafusion_ros.network.unfolding import UnfoldingNet

LOST = 0.05
REGIONS = 5  # at most, in one crop


class FusionPhase:
    """Trains `module`, the unfolding network of `config.preset`."""

    share = Share()

    def __init__(self, config: Config) -> None:
        self.config = config
        self.spec = preset(config.preset)
        self.module: nn.Module = make_fusion(self.spec)
        self.module.to(memory_format=torch.channels_last)
        self.samples = read_all(config.data.train)
        self.val = read_all(config.data.val)
        self.meta = {'part': 'fusion', 'preset': config.preset,
                     'samples': names_of(self.samples)}

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return all parameters at the full learning rate."""
        return [(list(self.module.parameters()), 1.0)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch under random weights and attention."""
        weight = self.config.loss
        batch = training_batch(
            self.samples, self.config.data, self.config.seed, step, LOST, self.share)
        parts = random_losses(self.module, self.spec, batch, self.config, step)
        total = sum(getattr(weight, name) * value for name, value in parts.items())
        return total, {name: value.item() for name, value in parts.items()}

    def validate(self, module: nn.Module) -> tuple[float, dict[str, float]]:
        """Return the mean absolute error against the target at even weights."""
        error = 0.0
        for sample in self.val:
            batch = whole(sample, share=self.share)
            even = torch.full_like(batch.luma, 0.5)
            fused = module(batch.thermal, batch.luma, module.cells(even),
                           no_attention if self.spec.attribution == 'exact' else None)[-1]
            aim = target(batch.thermal, batch.luma, even, self.config.loss.preference)
            error += losses.likeness(fused, aim).item()
        return -error / len(self.val), {'target': error / len(self.val)}


def random_losses(fusion: UnfoldingNet, spec: Preset, batch: Batch, config: Config,
                  step: int) -> dict[str, Tensor]:
    """Return the losses of a batch under the random guidance of `step`."""
    generator = torch.Generator().manual_seed(config.seed + step)
    shape = torch.Size((batch.total, *batch.luma.shape[1:]))
    weights = random_weights(shape, generator)[batch.rows].to(batch.luma.device)
    if spec.attribution == 'closed':
        cells = fusion.cells(weights)
        targets, bodies = (random_targets(shape, generator)[batch.rows].to(batch.luma.device)
                           for _ in range(2))
        sources = rebased(batch.thermal, batch.luma, targets, bodies, cells)
        iterates = fusion(*sources, cells)
        return fusion_losses(iterates, *sources, weights, None, config.loss)
    attention = random_attention(spec, batch.total, generator, batch.rows)
    iterates = fusion(batch.thermal, batch.luma, fusion.cells(weights), attention)
    last = attention(spec.stages - 1, [batch.luma])
    return fusion_losses(iterates, batch.thermal, batch.luma, weights, last, config.loss)


def fusion_losses(iterates: list[Tensor], thermal: Tensor, luma: Tensor, w_thermal: Tensor,
                  attention: Tensor | None, weight: Loss) -> dict[str, Tensor]:
    """
    Return the losses of unclipped iterates (B, 1, H, W), the last being the fused luma.

    w_thermal: w1 (B, 1, H, W); attention: A of the last stage, (B, 1, h, w), or None.
    """
    # What is aimed at is known exactly, whatever precision the network computes in.
    with torch.autocast(luma.device.type, enabled=False):
        *earlier, fused = (image.float() for image in iterates[1:])
        aim = target(thermal, luma, w_thermal, weight.preference)
        if attention is not None:
            aim = emphasised(aim, attention.float(), weight.emphasis)
        parts = {
            'target': losses.likeness(fused, aim),
            'intensity': losses.intensity(fused, thermal, luma, w_thermal),
        }
        if weight.iterates:
            parts['iterates'] = torch.stack([losses.likeness(x, aim) for x in earlier]).mean()
    return parts


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


def random_targets(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return where targets are, in [0, 1], (B, 1, H/4, W/4): blobs in three of four images."""
    count, _, height, width = shape
    fields = torch.rand(count, 1, 7, 7, generator=generator)
    fields = F.interpolate(
        fields, size=(height // CELL, width // CELL), mode='bicubic', align_corners=False)
    bar = 0.6 + 0.8 * torch.rand(count, 1, 1, 1, generator=generator)
    return torch.sigmoid(30 * (fields - bar))


def no_attention(stage: int, iterates: list[Tensor]) -> Tensor:
    """Return the map of the first stage, zero, whatever the stage."""
    return iterates[0].new_zeros(1, 1, 1, 1)


def random_attention(spec: Preset, count: int, generator: torch.Generator,
                     rows: slice = slice(None)) -> Attention:
    """
    Return maps of the size of normalised attributions, smooth and without meaning.

    They are those of `rows` of a batch of `count`.
    """
    noise = torch.randn(spec.stages, count, 1, 5, 5, generator=generator)
    loud = torch.rand(1, generator=generator) * 2

    def attention(stage: int, iterates: list[Tensor]) -> Tensor:
        if stage == 0:
            return no_attention(stage, iterates)
        size = tuple(n // spec.downscale for n in iterates[0].shape[2:])
        level = (noise[stage, rows] * loud).to(iterates[0].device)
        return F.interpolate(level, size=size, mode='bilinear')

    return attention
