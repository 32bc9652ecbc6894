"""Phase 3: fusion and segmentation together, guided by the attributions of the moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from train import losses
from train.batches import Batch
from train.batches import training_batch
from train.batches import whole
from train.config import Config
from train.data import LAYOUTS
from train.data import read
from train.fusion_phase import fusion_losses
from train.segmentation_phase import class_map
from train.segmentation_phase import sources_and_mixes
from train.target import target
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.network import attribution
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network.exact import segment_with
from uaafusion_ros.network.model import Prediction
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

LOST = 0.05
BLACK_EVERY = 50


class JointPhase:
    """Trains `module`, the whole network of `config.preset`, from both earlier phases."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.module = UAAFusion(preset(config.preset))
        for part, path in (('segmenter', config.segmenter), ('fusion', config.fusion)):
            if not path:
                raise CheckpointError(f"'{part}' is empty: name the best checkpoint of the phase "
                                      'that trains it')
            tensors, meta = checkpoint.load(Path(path))
            if meta.get('part') != part or meta.get('preset') != config.preset:
                raise CheckpointError(
                    f"{path}: holds the {meta.get('part')} of preset '{meta.get('preset')}', "
                    f"expected the {part} of '{config.preset}'")
            getattr(self.module, part).load_state_dict(tensors)
        self.module.to(memory_format=torch.channels_last)
        self.classes = LAYOUTS[config.data.train[0].layout].classes
        self.samples = [s for source in config.data.train for s in read(source)]
        self.val = [s for source in config.data.val for s in read(source)]
        counts = sum(np.bincount(s.label.ravel(), minlength=len(self.classes))
                     for s in self.samples if s.label is not None)
        self.class_weights = losses.class_weights(torch.from_numpy(counts / counts.sum()).float())
        self.meta = {
            'part': 'network', 'preset': config.preset, 'classes': list(self.classes),
            'class_weights': self.class_weights.tolist(),
            'samples': [s.name for s in self.samples]}

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
            self.samples, self.config.data, self.config.seed, step, lost=LOST)
        with torch.no_grad():
            if step % BLACK_EVERY == 0:
                self.module.look_at_black()
            looks = self.module.first_look(batch.thermal, batch.luma, batch.chroma)
        result = self.module.fuse(batch.thermal, batch.luma, looks)
        weights = self._weights(batch, looks, result.attribution.w_thermal)
        parts = fusion_losses(result.iterates[-1], batch.thermal, batch.luma, weights)
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
        exact = torch.cat([attribution.normalised(a) for a in exact], dim=1)
        small = F.interpolate(exact, size=result.attribution.maps.shape[2:], mode='area')
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
            batch = whole(sample)
            result, logits = module(batch.thermal, batch.luma, batch.chroma)
            aim = target(batch.thermal, batch.luma, result.attribution.w_thermal)
            error += losses.likeness(result.fused, aim).item() / len(self.val)
            counts += confusion(class_map(logits), batch.label[0].numpy(), classes)
        miou = scores(counts).miou
        return miou - 10 * error, {'target': error, 'miou': miou}
