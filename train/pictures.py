"""What a phase shows of a validation pair: pictures for TensorBoard and for the fusion metrics."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from train.batches import Batch
from train.batches import whole
from train.data import palette_of
from train.fusion_phase import FusionPhase
from train.fusion_phase import no_attention
from train.joint_phase import JointPhase
from train.segmentation_phase import class_map
from train.segmentation_phase import SegmentationPhase
from train.target import target
from uaafusion_ros.network.model import decide
from uaafusion_ros.network.model import UAAFusion

Pictures = dict[str, np.ndarray]


@singledispatch
def pictures(phase: Any, module: nn.Module, index: int) -> Pictures:
    """
    Return uint8 images (H, W) or (H, W, 3) of validation pair `index`, as `module` makes them.

    'thermal', 'luma' and, where the phase fuses, 'fused' are gray; those of the sources are cut
    to a multiple of the network's stride.
    """
    return _sources(whole(phase.val[index], share=phase.share))


@pictures.register
def _(phase: SegmentationPhase, module: nn.Module, index: int) -> Pictures:
    batch = whole(phase.val[index], share=phase.share)
    palette = _palette(phase)
    found = {name: palette[class_map(module(*view(batch)))]
             for name, view in phase.views.validation.items()}
    return _sources(batch) | {f'by {name}': image for name, image in found.items()} | {
        'label': palette[batch.label[0].cpu().numpy()]}


@pictures.register
def _(phase: FusionPhase, module: nn.Module, index: int) -> Pictures:
    batch = whole(phase.val[index], share=phase.share)
    even = torch.full_like(batch.luma, 0.5)
    attention = no_attention if phase.spec.attribution == 'exact' else None
    fused = module(batch.thermal, batch.luma, module.cells(even), attention)[-1]
    return _fusion(batch, fused, even, phase.config.loss.preference)


@pictures.register
def _(phase: JointPhase, module: UAAFusion, index: int) -> Pictures:
    batch = phase.inputs(whole(phase.val[index], share=phase.share))
    result, guide, logits = module(batch.thermal, batch.luma, batch.chroma)
    mask, _ = decide(logits, batch.luma.shape[2:])
    palette = _palette(phase)

    def resized(values: Tensor) -> Tensor:
        return F.interpolate(
            values, size=batch.luma.shape[2:], mode='bilinear', align_corners=False)

    return _sources(batch) | {
        'fused': _gray(result.fused), 'w1': _gray(resized(guide.w_thermal)),
        'targets': _gray(resized(guide.targets)),
        'mask': palette[mask[0].to(torch.uint8).cpu().numpy()],
        'label': palette[batch.label[0].cpu().numpy()]}


def _sources(batch: Batch) -> Pictures:
    return {'thermal': _gray(batch.thermal), 'luma': _gray(batch.luma)}


def _fusion(batch: Batch, fused: Tensor, w_thermal: Tensor, preference: float) -> Pictures:
    aim = target(batch.thermal, batch.luma, w_thermal, preference)
    return _sources(batch) | {
        'fused': _gray(fused), 'target': _gray(aim), 'w1': _gray(w_thermal)}


def _gray(image: Tensor) -> np.ndarray:
    return (image[0, 0].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def _palette(phase: Any) -> np.ndarray:
    """Return the colour (256, 3) of each class id, white for those of no class."""
    colours = np.full((256, 3), 255, np.uint8)
    colours[:len(phase.classes)] = list(palette_of(phase.config.data.train).values())
    return colours
