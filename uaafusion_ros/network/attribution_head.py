"""
Attribution without autograd, for deployment: a small head distilled from the exact one.

As the exact weights are one number per class and image, the head pools features of each source
over the soft class map, turns each class's pair into a share, and spreads the shares back over
the map. The attention maps come from the same features.
"""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.network.backbone import ConvNorm
from uaafusion_ros.network.segmentation import Separable

STRIDE = 8


class AttributionHead(nn.Module):
    """Predicts w1 and the attention maps of stages 2..K."""

    def __init__(self, classes: int, stages: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.PixelUnshuffle(4), ConvNorm(16, width, 3, 2), Separable(width, width),
            Separable(width, width))
        self.share = nn.Sequential(
            nn.Linear(2 * width + classes, width), nn.ReLU(), nn.Linear(width, 1))
        self.attention = nn.Sequential(
            Separable(2 * width + classes, width), nn.Conv2d(width, stages - 1, 1))

    def forward(self, thermal: Tensor, luma: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return w1 (B, 1, H, W) in (0, 1) and normalised A (B, K-1, H/8, W/8).

        thermal, luma: (B, 1, H, W), multiples of 8; scores: class probabilities
        (B, C, H/8, W/8) of the average image.
        """
        both = self.features(torch.cat((thermal, luma)))
        f_thermal, f_luma = both.chunk(2)
        area = scores.sum(dim=(2, 3)).unsqueeze(2) + 1.0
        pooled = [
            torch.matmul(scores.flatten(2), f.flatten(2).transpose(1, 2)) / area
            for f in (f_thermal, f_luma)]
        names = torch.eye(scores.shape[1], dtype=scores.dtype, device=scores.device)
        names = names.expand(scores.shape[0], -1, -1)
        share = self.share(torch.cat((*pooled, names), dim=2))
        logits = (scores * share.unsqueeze(3)).sum(1, keepdim=True)
        weights = torch.sigmoid(F.interpolate(
            logits, scale_factor=STRIDE, mode='bilinear', align_corners=False))
        return weights, self.attention(torch.cat((f_thermal, f_luma, scores), dim=1))
