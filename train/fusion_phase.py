"""
Phase 2: joint training of fusion, segmentation and the attribution head.

The fusion loss is weighted by the exact attributions of the pre-trained segmentation network,
the head learns those weights and the path attention, and the fused image has to be segmented.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from train import losses
from train.attribution_table import label_by_average
from train.attribution_table import shares
from train.batches import Batch
from train.batches import training_batch
from train.batches import whole
from train.config import Config
from train.data import LAYOUTS
from train.data import read
from train.segmentation_phase import class_map
from train.segmentation_phase import sources_and_mixes
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.network import attribution
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network.attribution_head import STRIDE
from uaafusion_ros.network.exact import segment_with
from uaafusion_ros.network.model import Prediction
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset


class FusionPhase:
    """Trains `module`, the whole network of `config.preset`, from `config.init`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.module = UAAFusion(preset(config.preset))
        if not config.init:
            raise CheckpointError("'init' is empty: name the best checkpoint of the segmentation "
                                  'phase, whose attributions guide this one')
        tensors, _ = checkpoint.load(Path(config.init))
        self.module.segmenter.load_state_dict(tensors)
        self.module.to(memory_format=torch.channels_last)
        self.classes = LAYOUTS[config.data.train[0].layout].classes
        samples = [s for source in config.data.train for s in read(source)]
        self.labelled = torch.tensor([s.label is not None for s in samples])
        self.module.eval()
        self.samples = label_by_average(self.module.segmenter, samples)
        self.shares = self._shares()
        self.val = [s for source in config.data.val for s in read(source)]
        counts = sum(np.bincount(s.label.ravel(), minlength=len(self.classes))
                     for s, known in zip(self.samples, self.labelled) if known)
        self.class_weights = losses.class_weights(torch.from_numpy(counts / counts.sum()).float())
        self.meta = {
            'part': 'network', 'preset': config.preset, 'classes': list(self.classes),
            'class_weights': self.class_weights.tolist(), 'samples': [s.name for s in samples]}

    def _shares(self) -> Tensor:
        """Return the attribution table, from the run's folder if it was computed before."""
        path = Path(self.config.run) / 'attribution.safetensors'
        if path.is_file():
            return checkpoint.load(path)[0]['shares']
        table = shares(self.module.segmenter, self.samples, len(self.classes),
                       self.config.loss.attribution_steps)
        checkpoint.save(path, {'shares': table}, {'init': self.config.init})
        return table

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return parameters with a factor on the learning rate; a pre-trained part moves less."""
        return [(list(self.module.fusion.parameters()), 1.0),
                (list(self.module.attribution.parameters()), 1.0),
                (list(self.module.segmenter.parameters()), 0.1)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the joint loss of a batch and its parts."""
        data, weight = self.config.data, self.config.loss
        self.module.segmenter.eval()  # its batch statistics belong to natural images
        batch = training_batch(self.samples, data.crop, data.batch, self.config.seed, step)
        with torch.no_grad():
            scores = self.module.first_look(batch.thermal, batch.luma, batch.chroma)
        result = self.module.fuse(batch.thermal, batch.luma, scores)
        exact = torch.stack([
            attribution.weight_map(self.shares[i], label)
            for i, label in zip(batch.indices, batch.label)]).unsqueeze(1)
        parts = fusion_losses(result, batch, exact)
        parts['weights'] = (result.w_thermal - exact).abs().mean()
        if weight.attention and step % weight.attention_every == 0:
            parts['attention'] = self._attention_loss(result, batch)
        parts['segmentation'] = self._segmentation_loss(result, batch, step)
        total = sum(getattr(weight, name) * value for name, value in parts.items())
        return total, {name: value.item() for name, value in parts.items()}

    def _attention_loss(self, result: Prediction, batch: Batch) -> Tensor:
        segment = segment_with(self.module.segmenter, batch.chroma)
        iterates = [image.detach() for image in result.iterates]
        with torch.no_grad():
            reference = segment(iterates[0])
        exact = attribution.path_attention(segment, iterates, reference)[1:]
        small = [F.avg_pool2d(attribution.normalised(a), STRIDE) for a in exact]
        return F.smooth_l1_loss(result.attention, torch.cat(small, dim=1))

    def _segmentation_loss(self, result: Prediction, batch: Batch, step: int) -> Tensor:
        known = self.labelled[list(batch.indices)].view(-1, 1, 1)
        label = torch.where(known, batch.label, torch.full_like(batch.label, IGNORE))
        logits = self.module.segmenter(result.fused, batch.chroma)
        loss = losses.cross_entropy(logits, label, self.class_weights)
        if step % 2:
            rng = np.random.default_rng((self.config.seed, step, 1))
            logits = self.module.segmenter(*sources_and_mixes(batch, rng))
            loss = (loss + losses.cross_entropy(logits, label, self.class_weights)) / 2
        return loss

    def validate(self, module: UAAFusion) -> tuple[float, dict[str, float]]:
        """Return SSIM, gradient and brightness errors and mIoU of the fused validation images."""
        classes = len(self.classes)
        counts = np.zeros((classes, classes), np.int64)
        sums = {'ssim': 0.0, 'gradient': 0.0, 'salient': 0.0}
        for sample in self.val:
            batch = whole(sample)
            result, logits = module(batch.thermal, batch.luma, batch.chroma)
            images = (result.fused, batch.thermal, batch.luma)
            sums['ssim'] += 1 - losses.structure(*images).item()
            sums['gradient'] += losses.gradient(*images).item()
            sums['salient'] += losses.salient(*images).item()
            counts += confusion(class_map(logits), batch.label[0].numpy(), classes)
        figures = {name: value / len(self.val) for name, value in sums.items()}
        figures['miou'] = scores(counts).miou
        # SSIM is left out: with both sources at once it prefers their blurred mean.
        return figures['miou'] - figures['gradient'] - figures['salient'], figures


def fusion_losses(result: Prediction, batch: Batch, exact: Tensor) -> dict[str, Tensor]:
    """Return the losses on the unclipped fused luma; `exact` is w1 (B, 1, H, W)."""
    images = (result.iterates[-1], batch.thermal, batch.luma)
    return {
        'intensity': losses.intensity(*images, exact),
        'salient': losses.salient(*images),
        'gradient': losses.gradient(*images),
        'ssim': losses.structure(*images),
    }
