"""
Further distillation: the attention maps of a finished joint network, learned by its head alone.

The teacher is the same network with exact path attributions in place of the head's maps. It
stays as it is, so each pair has one right answer, and a head that gives it fuses as the teacher.
"""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from train.batches import Batch
from train.batches import Share
from train.batches import training_batch
from train.batches import whole
from train.config import Config
from train.data import read_all
from train.earlier import begin_with
from uaafusion_ros.network.attribution import normalised
from uaafusion_ros.network.attribution import PathAttention
from uaafusion_ros.network.exact import segment_with
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

LOST = 0.05


class DistillPhase:
    """Trains the attention head of `module`, the joint network at `config.network`."""

    share = Share()

    def __init__(self, config: Config) -> None:
        self.config = config
        self.module = UAAFusion(preset(config.preset))
        meta = begin_with(self.module, 'network', config.network, config.preset)
        self.module.to(memory_format=torch.channels_last)
        self.module.requires_grad_(False)
        self.module.attribution.attention.requires_grad_(True)
        self.classes = tuple(meta['classes'])
        self.samples = read_all(config.data.train)
        self.val = read_all(config.data.val)
        self.meta = meta

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return the head's parameters at the full learning rate."""
        return [(list(self.module.attribution.attention.parameters()), 1.0)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return how far the head's maps of a batch are from the exact ones."""
        self.module.eval()
        self.module.attribution.train()
        batch = training_batch(
            self.samples, self.config.data, self.config.seed, step, LOST, self.share)
        with torch.no_grad():
            looks = self.module.first_look(batch.thermal, batch.luma, batch.chroma)
        found = self.module.attribution(batch.thermal, batch.luma, *looks)
        maps, _ = exact_maps(self.module, batch, found.cells, found.maps.shape[2:])
        loss = F.smooth_l1_loss(found.maps, maps)
        return loss, {'attention': loss.item()}

    def validate(self, module: UAAFusion) -> tuple[float, dict[str, float]]:
        """Return the loss, how maps correlate, and how far the fused images are apart."""
        error = alike = apart = 0.0
        for sample in self.val:
            batch = whole(sample, share=self.share)
            result, _ = module(batch.thermal, batch.luma, batch.chroma)
            found = result.attribution
            maps, fused = exact_maps(module, batch, found.cells, found.maps.shape[2:])
            error += F.smooth_l1_loss(found.maps, maps).item()
            both = torch.stack((found.maps.flatten(), maps.flatten()))
            alike += torch.corrcoef(both)[0, 1].item()
            apart += (result.fused - fused).abs().mean().item()
        count = len(self.val)
        return -error / count, {
            'attention': error / count, 'correlation': alike / count, 'fused': apart / count}


def exact_maps(network: UAAFusion, batch: Batch, cells: Tensor,
               size: torch.Size) -> tuple[Tensor, Tensor]:
    """
    Return the maps (B, K-1, *size) a perfect head would give, and the luma fused with them.

    Each stage sees the exact path attribution of the stages before, normalised and brought to
    the head's resolution. `cells` is w1 (B, 1, H/d, W/d), d the downscale factor.
    """
    segment = segment_with(network.segmenter, batch.chroma)
    gates = tuple(n // network.spec.downscale for n in batch.luma.shape[2:])
    maps: list[Tensor] = []
    with torch.no_grad():
        path = PathAttention(segment, segment((batch.thermal + batch.luma) / 2))

        def attention(stage: int, iterates: list[Tensor]) -> Tensor:
            raw = path(stage, iterates)
            if stage == 0:
                return raw.new_zeros(1, 1, 1, 1)
            maps.append(normalised(F.interpolate(raw, size=tuple(size), mode='area')))
            return F.interpolate(maps[-1], size=gates, mode='bilinear', align_corners=False)

        iterates = network.fusion(batch.thermal, batch.luma, cells, attention)
    return torch.cat(maps, dim=1), iterates[-1].clamp(0, 1)
