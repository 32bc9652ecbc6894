"""Looks, fusion and mask of a deployed preset, guided by the attributions of the moment."""

from __future__ import annotations

from dataclasses import dataclass
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
from train.data import Sample
from train.data import split
from train.earlier import begin_with
from train.fusion_phase import fusion_losses
from train.views import INPUTS
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.evaluation.target_contrast import Instance
from uaafusion_ros.evaluation.target_contrast import instances
from uaafusion_ros.network.build import begin_with_imagenet
from uaafusion_ros.network.guidance import Guidance
from uaafusion_ros.network.model import decide
from uaafusion_ros.network.model import Looks
from uaafusion_ros.network.model import Prediction
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

BLACK_EVERY = 25


@dataclass(frozen=True)
class Judged:
    """
    What a network makes of a pair.

    fused: luma, uint8 (H, W); counts: confusion of the mask with the label, (C, C); found: the
    contrast that labelled targets keep; w_thermal: w1, float32 (h, w).
    """

    fused: np.ndarray
    mask: np.ndarray
    counts: np.ndarray
    found: list[Instance]
    w_thermal: np.ndarray


class JointPhase:
    """Trains `module`, the whole network of `config.preset`."""

    share = Share()

    def __init__(self, config: Config) -> None:
        self.config = config
        palette = palette_of(config.data.train)
        self.classes = tuple(palette)
        self.targets = target_ids(self.classes, config.targets)
        bodies = target_ids(self.classes, config.bodies)
        if config.inputs not in INPUTS:
            raise ParameterError(
                f"'inputs': '{config.inputs}' is unknown; known: {', '.join(INPUTS)}")
        self.inputs = INPUTS[config.inputs]
        spec = replace(preset(config.preset), classes=len(self.classes), weights=config.weights)
        self.module = UAAFusion(spec, self.targets, bodies)
        if config.init:
            begin_with(self.module, 'network', config.init, config.preset, self.classes)
            self.module.mark(self.targets, bodies)
        else:
            begin_with_imagenet(self.module.segmenter)
            begin_with(self.module.fusion, 'fusion', config.fusion, config.preset)
        self.module.to(memory_format=torch.channels_last)
        self.samples, self.val, self.draws = split(config.data)
        counts = class_counts(self.samples, len(self.classes))
        class_counts(self.val, len(self.classes), 'validation')  # or no mask could be scored
        self.class_weights = losses.class_weights(
            torch.from_numpy(counts / counts.sum()).float(), config.loss.balance)
        self.meta = {
            'part': 'network', 'preset': config.preset, 'classes': list(self.classes),
            'palette': list(palette.values()), 'targets': self.targets, 'bodies': bodies,
            'weights': config.weights,
            'class_weights': self.class_weights.tolist(), 'samples': names_of(self.samples)}

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return parameters with a factor on the learning rate; a trained part moves less."""
        return [(list(self.module.segmenter.parameters()), 1.0),
                (list(self.module.mask_head.parameters()), 1.0),
                (list(self.module.fusion.parameters()), 0.5)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the joint loss of a batch and its parts."""
        data, weight = self.config.data, self.config.loss
        if step % BLACK_EVERY == 0:
            self.module.eval()  # its batch statistics belong to natural images
            self.module.look_at_black()
            self.module.train()
        batch = self.inputs(training_batch(
            self.samples, data, self.config.seed, step, data.lost, self.share, self.draws))
        looks = self.module.look(batch.thermal, batch.luma, batch.chroma)
        guide = self.module.guide(looks)
        result = self._fuse(batch, guide)
        parts = fusion_losses(
            result.iterates, *result.sources, self._weights(guide, batch), None, weight)
        parts['looks'] = self._looks_loss(looks, batch)
        parts['segmentation'] = self._mask_loss(looks, guide, result, batch)
        if step % weight.judge_every == 0:
            parts['judge'] = self._judge_loss(result, batch)
        total = sum(getattr(weight, name) * value for name, value in parts.items())
        return total, {name: value.item() for name, value in parts.items()}

    def _fuse(self, batch: Batch, guide: Guidance) -> Prediction:
        """
        Fuse under the guidance as it stands.

        As in the paper, the image follows the attributions, not the other way round. Targets are
        those found, not those labelled: labels would reach the mask through the image.
        """
        fixed = replace(guide, w_thermal=guide.w_thermal.detach(), targets=guide.targets.detach(),
                        bodies=guide.bodies.detach())
        return self.module.fuse(batch.thermal, batch.luma, fixed)

    def _weights(self, guide: Guidance, batch: Batch) -> Tensor:
        return F.interpolate(guide.w_thermal.detach(), size=batch.luma.shape[2:],
                             mode='bilinear', align_corners=False)

    def _looks_loss(self, looks: Looks, batch: Batch) -> Tensor:
        return sum(losses.partial_cross_entropy(
            _at_half(logits, batch), batch.label[:, ::2, ::2], self.class_weights, batch.hidden,
            there) for logits, there in zip(looks.logits, batch.cameras)) / 2

    def _mask_loss(self, looks: Looks, guide: Guidance, result: Prediction,
                   batch: Batch) -> Tensor:
        logits = _at_half(self.module.segment(looks, guide, result), batch)
        label = batch.label[:, ::2, ::2]
        loss = losses.partial_cross_entropy(logits, label, self.class_weights, batch.hidden)
        whole_labels = [row for row, hidden in enumerate(batch.hidden) if not hidden]
        if self.config.loss.overlap and whole_labels:
            loss = loss + self.config.loss.overlap * losses.lovasz_softmax(
                logits[whole_labels], label[whole_labels])
        return loss

    def _judge_loss(self, result: Prediction, batch: Batch) -> Tensor:
        """Return the cross entropy of the fused image: its way to the fusion is through S."""
        logits = self.module.segmenter.look(
            result.fused, batch.chroma, self.module.segmenter.scale)
        return losses.partial_cross_entropy(
            _at_half(logits, batch), batch.label[:, ::2, ::2], self.class_weights, batch.hidden,
            batch.cameras[1])

    def validate(self, module: UAAFusion) -> tuple[float, dict[str, float]]:
        """Return the mIoU of the mask over the validation pairs, and more figures."""
        module.look_at_black()
        judged = [self.judge(module, sample) for sample in self.val]
        found = scores(sum(row.counts for row in judged))
        figures = {'miou': found.miou}
        figures |= {f'iou_{name}': value for name, value in zip(self.classes, found.iou)
                    if np.isfinite(value)}
        for class_id in self.targets:
            kept = [item.kept for row in judged for item in row.found
                    if item.class_id == class_id]
            if kept:
                figures[f'kept_{self.classes[class_id]}'] = float(
                    np.mean([share >= 0.75 for share in kept]))
        return found.miou, figures

    @torch.no_grad()
    def judge(self, module: UAAFusion, sample: Sample) -> Judged:
        """Return what `module` makes of a pair, by its label and both sources."""
        pair = whole(sample, share=self.share)
        batch = self.inputs(pair)
        result, guide, logits = module(batch.thermal, batch.luma, batch.chroma)
        mask, _ = decide(logits, batch.luma.shape[2:])
        mask = mask[0].to(torch.uint8).cpu().numpy()
        label = batch.label[0].cpu().numpy()
        images = [(image[0, 0] * 255).round().to(torch.uint8).cpu().numpy()
                  for image in (pair.thermal, pair.luma, result.fused)]
        told = np.where(np.isin(mask, sample.hidden), 0, mask).astype(np.uint8)
        return Judged(images[2], mask, confusion(told, label, len(self.classes)),
                      instances(*images, label, self.targets),
                      guide.w_thermal[0, 0].cpu().numpy())


def target_ids(classes: tuple[str, ...], names: str) -> list[int]:
    """Return the ids of the classes that `names` lists and that exist, in their order."""
    wanted = names.split()
    return [index for index, name in enumerate(classes) if name in wanted]


def _at_half(logits: Tensor, batch: Batch) -> Tensor:
    size = tuple(n // 2 for n in batch.luma.shape[2:])
    return F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
