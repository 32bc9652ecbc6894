"""Phase 1: pre-train the segmentation network on views of both sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch import Tensor

from train import losses
from train.batches import Share
from train.batches import training_batch
from train.batches import whole
from train.config import Config
from train.data import class_counts
from train.data import palette_of
from train.data import split
from train.views import make_views
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.network.build import begin_with_imagenet
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.presets import preset


def class_map(logits: Tensor) -> np.ndarray:
    """Return the winning class of one image's logits (1, C, H, W) as uint8 (H, W)."""
    return logits[0].argmax(0).to(torch.uint8).cpu().numpy()


class SegmentationPhase:
    """Trains `module`, the segmenter of `config.preset`, with weighted cross entropy."""

    share = Share()

    def __init__(self, config: Config) -> None:
        self.config = config
        self.views = make_views(config)
        self.samples, self.val, _ = split(config.data)
        classes = tuple(palette_of(config.data.train))
        self.spec = replace(preset(config.preset), classes=len(classes))
        self.module: nn.Module = make_segmenter(self.spec)
        if self.spec.segmenter == 'lite':
            begin_with_imagenet(self.module)
        self.module.to(memory_format=torch.channels_last)
        counts = class_counts(self.samples, len(classes))
        class_counts(self.val, len(classes), 'validation')  # or no mask could be scored
        self.weights = losses.class_weights(torch.from_numpy(counts / counts.sum()).float())
        self.classes = classes
        self.meta = {'part': 'segmenter', 'preset': config.preset, 'classes': list(classes),
                     'class_weights': self.weights.tolist()}

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return all parameters at the full learning rate."""
        return [(list(self.module.parameters()), 1.0)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the cross entropy of a batch, seen as the settings say."""
        data = self.config.data
        batch = training_batch(
            self.samples, data, self.config.seed, step, share=self.share)
        rng = np.random.default_rng((self.config.seed, step, 1))
        logits = self.module.unscaled(*self.views.training(batch, rng))
        loss = losses.cross_entropy(logits, batch.label, self.weights)
        return loss, {'ce': loss.item()}

    def validate(self, module: nn.Module) -> tuple[float, dict[str, float]]:
        """Return the mIoU of the last view, and of each, over the validation pairs."""
        classes, views = len(self.classes), self.views.validation
        counts = {name: np.zeros((classes, classes), np.int64) for name in views}
        for sample in self.val:
            batch = whole(sample, share=self.share)
            for name, view in views.items():
                counts[name] += confusion(
                    class_map(module(*view(batch))), batch.label[0].cpu().numpy(), classes)
        figures = {f'miou_{name}': scores(each).miou for name, each in counts.items()}
        return list(figures.values())[-1], figures
