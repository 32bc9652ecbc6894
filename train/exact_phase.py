"""
Joint training of a preset whose attribution asks autograd, as the paper does it.

Exact attributions of the segmentation network of the moment guide the fusion; as they are what
costs, only every `loss.attention_every`-th step has them and the steps between draw random ones.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
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
from train.data import class_counts
from train.data import names_of
from train.data import palette_of
from train.data import split
from train.earlier import begin_with
from train.fusion_phase import fusion_losses
from train.fusion_phase import random_losses
from train.target import emphasised
from train.target import target
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.exact import Explanation
from uaafusion_ros.network.exact import fuse_exactly
from uaafusion_ros.network.presets import preset

LOST = 0.05
VIEW, EVERY = 160, 5  # validation: squares from the middle of every fifth pair


class ExactPhase:
    """Trains `module.fusion` and `module.segmenter` of `config.preset`."""

    share = Share()

    def __init__(self, config: Config) -> None:
        self.config = config
        palette = palette_of(config.data.train)
        self.classes = tuple(palette)
        self.spec = replace(preset(config.preset), classes=len(self.classes))
        self.module = nn.ModuleDict({
            'fusion': make_fusion(self.spec), 'segmenter': make_segmenter(self.spec)})
        for part, path in (('segmenter', config.segmenter), ('fusion', config.fusion)):
            begin_with(self.module[part], part, path, config.preset, self.classes)
        self.module.to(memory_format=torch.channels_last)
        self.samples, self.val, _ = split(config.data)
        counts = class_counts(self.samples, len(self.classes))
        self.class_weights = losses.class_weights(torch.from_numpy(counts / counts.sum()).float())
        self.meta = {'part': 'exact', 'preset': config.preset, 'classes': list(self.classes),
                     'palette': list(palette.values()), 'samples': names_of(self.samples)}

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return parameters with a factor on the learning rate; a trained part moves less."""
        return [(list(self.module['fusion'].parameters()), 1.0),
                (list(self.module['segmenter'].parameters()), 0.25)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch under exact or, between, random attributions."""
        weight = self.config.loss
        batch = training_batch(
            self.samples, self.config.data, self.config.seed, step, LOST, self.share)
        if step % weight.attention_every:
            parts = random_losses(self.module['fusion'], self.spec, batch, self.config, step)
        else:
            self.module['segmenter'].eval()  # batch statistics mix images
            with torch.autocast(batch.luma.device.type, enabled=False):
                found = self._fuse(self.module, batch)
            parts = fusion_losses(
                found.iterates, batch.thermal, batch.luma, found.w_thermal,
                found.attention[-1], weight)
            parts['segmentation'] = self._segmentation_loss(found, batch)
        total = sum(getattr(weight, name) * value for name, value in parts.items())
        return total, {name: value.item() for name, value in parts.items()}

    def _fuse(self, module: nn.ModuleDict, batch: Batch) -> Explanation:
        """Fuse; the regions are the true classes where they are known."""
        images = batch.thermal, batch.luma, batch.chroma
        with torch.no_grad():
            seen = module['segmenter'].scores((batch.thermal + batch.luma) / 2, batch.chroma)
        known = batch.label != IGNORE
        truth = F.one_hot(torch.where(known, batch.label, 0).long(), len(self.classes))
        truth = truth.permute(0, 3, 1, 2).to(seen.dtype)
        reference = torch.where(known.unsqueeze(1), truth, seen)
        return fuse_exactly(
            self.spec, module['fusion'], module['segmenter'], *images, reference=reference)

    def _segmentation_loss(self, found: Explanation, batch: Batch) -> Tensor:
        """Return the cross entropy of the fused image and of both sources (L_seg of the paper)."""
        images = torch.cat((found.iterates[-1], batch.thermal, batch.luma))
        logits = self.module['segmenter'](images, batch.chroma.repeat(3, 1, 1, 1))
        return losses.cross_entropy(logits, batch.label.repeat(3, 1, 1), self.class_weights)

    def validate(self, module: nn.ModuleDict) -> tuple[float, dict[str, float]]:
        """Return the error against the target under exact attributions, and their effect."""
        errors, effects = [], []
        for sample in self.val[::EVERY]:
            batch = middle(whole(sample, share=self.share), VIEW)
            found = self._fuse(module, batch)
            fused = found.iterates[-1]
            weight = self.config.loss
            aim = target(batch.thermal, batch.luma, found.w_thermal, weight.preference)
            aim = emphasised(aim, found.attention[-1], weight.emphasis)
            errors.append(losses.likeness(fused, aim).item())
            off = module['fusion'](batch.thermal, batch.luma,
                                   module['fusion'].cells(found.w_thermal),
                                   lambda stage, _, found=found: found.attention[stage] * 0)[-1]
            effects.append((fused - off).abs().mean().item() * 255)
        error = float(np.mean(errors))
        return -error, {'target': error, 'attention_effect': float(np.mean(effects))}


def middle(batch: Batch, size: int) -> Batch:
    """Return the square of `size` pixels, at most, in the middle of every image."""
    # Of a smaller image, all of it.
    rows, columns = ((n - min(n, size)) // 2 for n in batch.label.shape[1:])
    window = (..., slice(rows, rows + size), slice(columns, columns + size))
    return replace(batch, thermal=batch.thermal[window], luma=batch.luma[window],
                   chroma=batch.chroma[window], label=batch.label[window])
