"""Phase 1: pre-train the segmentation network on both sources, their mean and mixes of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch import Tensor

from train import losses
from train.batches import Batch
from train.batches import training_batch
from train.batches import whole
from train.config import Config
from train.data import LAYOUTS
from train.data import read
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.presets import preset


def sources_and_mixes(batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """
    Return luma (B, 1, H, W) and chroma (B, 2, H, W) of one random view per sample.

    A view is the RGB image, the thermal image (without chroma: its camera has none), their mean,
    a random mix or the brighter of both: what a fused image may look like on the way.
    """
    views, chromas = [], []
    for index in range(batch.luma.shape[0]):
        y, t, chroma = batch.luma[index], batch.thermal[index], batch.chroma[index]
        kind = rng.integers(0, 5)
        if kind == 1:
            chroma = torch.full_like(chroma, 0.5)
        share = float(rng.random())
        views.append((y, t, (y + t) / 2, share * y + (1 - share) * t, torch.maximum(y, t))[kind])
        chromas.append(chroma)
    return torch.stack(views), torch.stack(chromas)


def class_map(logits: Tensor) -> np.ndarray:
    """Return the winning class of one image's logits (1, C, H, W) as uint8 (H, W)."""
    return logits[0].argmax(0).to(torch.uint8).numpy()


class SegmentationPhase:
    """Trains `module`, the segmenter of `config.preset`, with weighted cross entropy."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.samples = [s for source in config.data.train for s in read(source)]
        self.val = [s for source in config.data.val for s in read(source)]
        classes = LAYOUTS[config.data.train[0].layout].classes
        self.spec = preset(config.preset)
        self.module: nn.Module = make_segmenter(
            self.spec, pretrained=self.spec.segmenter == 'lite')
        self.module.to(memory_format=torch.channels_last)
        counts = sum(np.bincount(s.label.ravel(), minlength=len(classes)) for s in self.samples)
        self.weights = losses.class_weights(torch.from_numpy(counts / counts.sum()).float())
        self.classes = classes
        self.meta = {'part': 'segmenter', 'preset': config.preset, 'classes': list(classes)}

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return all parameters at the full learning rate."""
        return [(list(self.module.parameters()), 1.0)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the cross entropy of a batch of random views."""
        data = self.config.data
        batch = training_batch(self.samples, data, self.config.seed, step)
        rng = np.random.default_rng((self.config.seed, step, 1))
        logits = self.module.unscaled(*sources_and_mixes(batch, rng))
        loss = losses.cross_entropy(logits, batch.label, self.weights)
        return loss, {'ce': loss.item()}

    def validate(self, module: nn.Module) -> tuple[float, dict[str, float]]:
        """Return mIoU on RGB, thermal and mean images of the validation pairs."""
        classes = len(self.classes)
        counts = np.zeros((3, classes, classes), np.int64)
        for sample in self.val:
            batch = whole(sample)
            neutral = torch.full_like(batch.chroma, 0.5)
            views = ((batch.luma, batch.chroma), (batch.thermal, neutral),
                     ((batch.luma + batch.thermal) / 2, batch.chroma))
            for index, view in enumerate(views):
                counts[index] += confusion(
                    class_map(module(*view)), batch.label[0].numpy(), classes)
        rgb, thermal, mean = (scores(c).miou for c in counts)
        return mean, {'miou_rgb': rgb, 'miou_thermal': thermal, 'miou_mean': mean}
