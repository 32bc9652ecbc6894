"""
What the fused image should look like, computed from both sources and the attribution weights.

Selection in a Laplacian pyramid: at every level the stronger detail, at the base the brighter
source (P. Burt and R. Kolczynski, "Enhanced image capture through fusion", ICCV 1993). The
weights shift the choice towards the source in which the segmentation network finds its classes.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F

LEVELS = 3
CELL, SURROUND = 8, 5  # pixels, and cells


def target(thermal: Tensor, luma: Tensor, w_thermal: Tensor, preference: float) -> Tensor:
    """
    Return the image (B, 1, H, W) in [0, 1] to aim at; H and W are multiples of 8.

    thermal, luma: (B, 1, H, W) in [0, 1]; w_thermal: w1 (B, 1, H, W) in [0, 1]. A source counts
    with its weight to the power `preference`, 0 to 1, so that attribution prefers and forbids
    nothing: with 0.5, at w1 = 0.9, thermal wins unless luma is three times as strong.
    """
    details = []
    for _ in range(LEVELS):
        smaller = [F.avg_pool2d(_blur(x), 2) for x in (thermal, luma)]
        bands = [x - _up(s) for x, s in zip((thermal, luma), smaller)]
        energy = [_box(band.square(), 5).sqrt() for band in bands]
        choice = _first(*energy, w_thermal, preference)
        details.append(torch.lerp(bands[1], bands[0], _box(choice, 3)))
        thermal, luma = smaller
        w_thermal = F.avg_pool2d(w_thermal, 2)
    image = torch.lerp(luma, thermal, _first(thermal, luma, w_thermal, preference))
    for band in reversed(details):
        image = _up(image) + band
    return image.clamp(0, 1)


def emphasised(image: Tensor, attention: Tensor, share: float) -> Tensor:
    """
    Return the image (B, 1, H, W) in [0, 1], brighter around where the attention is positive.

    attention: A (B, 1, h, w), positive where the changes so far raised the class scores. The image
    grows by up to `share` of itself, evenly over some 40 pixels, so that what is seen in it stays
    as it was. So the attention has something to do: what helped to recognise the classes is made
    to stand out. H and W are multiples of 8.
    """
    level = F.interpolate(attention, size=image.shape[2:], mode='bilinear', align_corners=False)
    helped = F.avg_pool2d((2 * torch.sigmoid(level) - 1).relu(), CELL)
    around = _box(_box(helped, SURROUND), SURROUND)
    around = F.interpolate(around, size=image.shape[2:], mode='bilinear', align_corners=False)
    return (image * (1 + share * around)).clamp(0, 1)


def _first(a: Tensor, b: Tensor, weight: Tensor, preference: float) -> Tensor:
    """Return 1 where `a` is stronger than `b`, each times its weight to a power."""
    return (a * weight ** preference > b * (1 - weight) ** preference).to(a.dtype)


def _box(x: Tensor, size: int) -> Tensor:
    return F.avg_pool2d(F.pad(x, (size // 2,) * 4, mode='replicate'), size, 1)


def _blur(x: Tensor) -> Tensor:
    line = x.new_tensor([1, 2, 1]) / 4
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode='replicate'), (line[:, None] * line)[None, None])


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)
