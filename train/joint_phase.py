"""Phase 3: fusion and segmentation together, guided by the attributions of the moment."""

from __future__ import annotations

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
from train.data import read_all
from train.earlier import begin_with
from train.fusion_phase import fusion_losses
from train.target import target
from train.views import sources_and_mixes
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.network import attribution
from uaafusion_ros.network.exact import segment_with
from uaafusion_ros.network.model import decide
from uaafusion_ros.network.model import Prediction
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

LOST = 0.05
BLACK_EVERY = 50


class JointPhase:
    """Trains `module`, the whole network of `config.preset`, from both earlier phases."""

    share = Share()

    def __init__(self, config: Config) -> None:
        self.config = config
        self.module = UAAFusion(preset(config.preset))
        for part, path in (('segmenter', config.segmenter), ('fusion', config.fusion)):
            begin_with(getattr(self.module, part), part, path, config.preset)
        self.module.to(memory_format=torch.channels_last)
        self.classes = tuple(palette_of(config.data.train))
        self.samples = read_all(config.data.train)
        self.val = read_all(config.data.val)
        counts = class_counts(self.samples, len(self.classes))
        self.class_weights = losses.class_weights(torch.from_numpy(counts / counts.sum()).float())
        self.meta = {
            'part': 'network', 'preset': config.preset, 'classes': list(self.classes),
            'class_weights': self.class_weights.tolist(),
            'samples': names_of(self.samples)}

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return parameters with a factor on the learning rate; a trained part moves less."""
        return [(list(self.module.fusion.parameters()), 0.5),
                (list(self.module.attribution.parameters()), 1.0),
                (list(self.module.segmenter.parameters()), 0.25)]

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the joint loss of a batch and its parts."""
        weight = self.config.loss
        self.module.segmenter.eval()  # its batch statistics belong to natural images
        batch = training_batch(
            self.samples, self.config.data, self.config.seed, step, LOST, self.share)
        with torch.no_grad():
            if step % BLACK_EVERY == 0:
                self.module.look_at_black()
            looks = self.module.first_look(batch.thermal, batch.luma, batch.chroma)
        result = self.module.fuse(batch.thermal, batch.luma, looks)
        weights = self._weights(batch, looks, result.attribution.w_thermal)
        parts = fusion_losses(
            result.iterates, batch.thermal, batch.luma, weights,
            result.attribution.maps[:, -1:].detach(), weight)
        if step % weight.attention_every == 0:
            parts['attention'] = self._attention_loss(result, batch)
        parts['segmentation'] = self._segmentation_loss(result, batch, step)
        total = sum(getattr(weight, name) * value for name, value in parts.items())
        return total, {name: value.item() for name, value in parts.items()}

    def _weights(self, batch: Batch, looks: tuple[Tensor, Tensor], predicted: Tensor) -> Tensor:
        """Return w1 (B, 1, H, W) over the true regions where they are known."""
        count = len(self.classes)
        known = batch.label != IGNORE
        truth = F.one_hot(torch.where(known, batch.label, 0).long(), count)
        truth = (truth * known.unsqueeze(3)).permute(0, 3, 1, 2).to(predicted.dtype)
        small = F.interpolate(truth, size=looks[0].shape[2:], mode='area')
        head = self.module.attribution
        share = attribution.thermal_share(*(
            attribution.gain_of_scores(small, look, head.black) for look in looks), head.floor)
        exact = (truth * share[:, :, None, None]).sum(1, keepdim=True)
        return torch.where(known.unsqueeze(1), exact, predicted.detach())

    def _attention_loss(self, result: Prediction, batch: Batch) -> Tensor:
        segment = segment_with(self.module.segmenter, batch.chroma)
        iterates = [image.detach() for image in result.iterates]
        with torch.no_grad():
            reference = segment(iterates[0])
        exact = attribution.path_attention(segment, iterates, reference)[1:]
        size = result.attribution.maps.shape[2:]
        small = torch.cat([
            attribution.normalised(F.interpolate(a, size=size, mode='area'))
            for a in exact], dim=1)
        return F.smooth_l1_loss(result.attribution.maps, small)

    def _segmentation_loss(self, result: Prediction, batch: Batch, step: int) -> Tensor:
        logits = self.module.segmenter(result.fused, batch.chroma)
        loss = losses.cross_entropy(logits, batch.label, self.class_weights)
        if step % 2:
            rng = np.random.default_rng((self.config.seed, step, 1))
            logits = self.module.segmenter(*sources_and_mixes(batch, rng))
            loss = (loss + losses.cross_entropy(logits, batch.label, self.class_weights)) / 2
        return loss

    def validate(self, module: UAAFusion) -> tuple[float, dict[str, float]]:
        """Return the error against the target and the mIoU of the fused validation images."""
        module.look_at_black()
        classes = len(self.classes)
        counts = np.zeros((classes, classes), np.int64)
        error = 0.0
        for sample in self.val:
            batch = whole(sample, share=self.share)
            result, logits = module(batch.thermal, batch.luma, batch.chroma)
            aim = target(batch.thermal, batch.luma, result.attribution.w_thermal,
                         self.config.loss.preference)
            error += losses.likeness(result.fused, aim).item() / len(self.val)
            mask, _ = decide(logits, batch.luma.shape[2:])
            counts += confusion(mask[0].to(torch.uint8).cpu().numpy(),
                                batch.label[0].cpu().numpy(), classes)
        miou = scores(counts).miou
        return miou - 10 * error, {'target': error, 'miou': miou}
