"""
Fusion with exact attribution: needs autograd, so it runs in PyTorch alone.

Every preset can be fused by the class attributions of the paper; those with an attribution in
closed form can be compared with integrated gradients here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.network import attribution
from uaafusion_ros.network.attribution import PathAttention
from uaafusion_ros.network.attribution import Segment
from uaafusion_ros.network.guidance import thermal_share
from uaafusion_ros.network.presets import Preset
from uaafusion_ros.network.segmentation import LiteSegmenter
from uaafusion_ros.network.unfolding import UnfoldingNet

FLOOR = 1e-8  # avoids 0 / 0 in w1, as published
# Which images of a batch of n are attributed together.
REGIONS = {
    'image': lambda n: [slice(i, i + 1) for i in range(n)],
    'batch': lambda n: [slice(0, n)],
}
# From the path attribution A of the summed scores, and their number, to the map of a stage.
ATTENTIONS = {
    'normalised': lambda a, number: attribution.normalised(a),
    'raw': lambda a, number: a / number,
    'off': lambda a, number: torch.zeros_like(a),
}


@dataclass(frozen=True)
class Explanation:
    """
    A fusion and why it came out so.

    iterates: [I^(0), ..., I^(K)], each (B, 1, H, W), not clipped; the last is the fused luma.
    classes: the regions, ids (B, H, W). thermal, luma: class attributions (B, C) of each source,
    0 for absent classes. w_thermal: w1 (B, 1, H, W). attention: what stage 1..K saw of A, each
    (B, 1, H/d, W/d), d the downscale factor.
    """

    iterates: list[Tensor]
    classes: Tensor
    thermal: Tensor
    luma: Tensor
    w_thermal: Tensor
    attention: list[Tensor]


def fuse_exactly(spec: Preset, fusion: UnfoldingNet, segmenter: nn.Module, thermal: Tensor,
                 luma: Tensor, chroma: Tensor, steps: int = 5,
                 reference: Tensor | None = None) -> Explanation:
    """
    Fuse thermal and luma (B, 1, H, W) as `spec` says, attributed through `segmenter`.

    chroma (B, 2, H, W) is that of the RGB camera; thermal is segmented without any. `reference`
    holds class scores (B, C, H, W), as a one-hot ground truth; None takes those of the source
    average. H and W must be multiples of the segmenter's stride and of the preset's
    attention_stride. The segmenter should be in eval mode: batch statistics mix images.
    Gradients reach `fusion` through the iterates, not through the attributions.
    """
    if reference is None:
        with torch.no_grad():
            reference = segmenter.scores((thermal + luma) / 2, chroma)
    classes = reference.argmax(1)
    by_thermal, by_luma, weights = _by_regions(
        spec, segmenter, thermal, luma, chroma, classes, reference.shape[1], steps)
    path = PathAttention(segment_with(segmenter, chroma), reference)
    size = tuple(n // spec.downscale for n in luma.shape[2:])
    seen: list[Tensor] = []

    def attention(stage: int, iterates: list[Tensor]) -> Tensor:
        raw = path(stage, iterates)
        raw = F.avg_pool2d(raw, spec.attention_stride)
        level = ATTENTIONS[spec.attention](raw, reference.numel())
        seen.append(F.interpolate(level, size=size, mode='bilinear', align_corners=False))
        return seen[-1]

    iterates = fusion(thermal, luma, fusion.cells(weights), attention)
    return Explanation(iterates, classes, by_thermal, by_luma, weights, seen)


def _by_regions(spec: Preset, segmenter: nn.Module, thermal: Tensor, luma: Tensor,
                chroma: Tensor, classes: Tensor, number: int,
                steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return both a_c (B, C) and w1, constant in each class's region, as the paper does."""
    neutral, count = torch.full_like(chroma, 0.5), luma.shape[0]
    by_thermal, by_luma = luma.new_zeros(count, number), luma.new_zeros(count, number)
    for part in REGIONS[spec.regions](count):
        by_thermal[part], by_luma[part] = (
            attribution.class_attributions(
                segment_with(segmenter, colour[part]), image[part], classes[part], number, steps)
            for image, colour in ((thermal, neutral), (luma, chroma)))
    shares = thermal_share(by_thermal.clamp_min(0), by_luma.clamp_min(0), FLOOR)
    weights = torch.stack([
        attribution.weight_map(share, regions) for share, regions in zip(shares, classes)])
    return by_thermal, by_luma, weights.unsqueeze(1)


def information_by_gradients(segmenter: LiteSegmenter, scale: float, thermal: Tensor, luma: Tensor,
                             chroma: Tensor, places: Sequence[tuple[int, int]],
                             steps: int = 100) -> tuple[Tensor, Tensor]:
    """
    Return what guidance.information tells of thermal and of luma, (P,) each, by autograd.

    Over what black gives at the same place, not on average. One pair, thermal, luma (1, 1, H, W)
    and chroma (1, 2, H, W) as UAAFusion.look takes them, seen at `scale`; places: (row, column) in
    the grid of the looks. The segmenter must be in eval mode.
    """
    def look(image: Tensor) -> Tensor:
        return segmenter.look(image[:, :1], image[:, 1:] + 0.5, scale)

    # Black is zero in all three channels: luma, and chroma about its neutral point.
    images = (torch.cat((thermal, torch.zeros_like(chroma)), dim=1),
              torch.cat((luma, chroma - 0.5), dim=1))
    by_thermal, by_luma = (
        attribution.place_attributions(look, image, places, steps) for image in images)
    return by_thermal, by_luma


def segment_with(segmenter: nn.Module, chroma: Tensor) -> Segment:
    """
    Return luma (N, 1, H, W) -> class scores (N, C, H, W) at fixed chroma (B, 2, H, W).

    N is a multiple of B; image n is seen with chroma n mod B.
    """
    return lambda image: segmenter.scores(
        image, chroma.repeat(image.shape[0] // chroma.shape[0], 1, 1, 1))
