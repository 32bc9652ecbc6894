"""The mask from what both looks know of each place, weighted as the fusion is."""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.network.guidance import pooled
from uaafusion_ros.network.segmentation import Separable


class MaskHead(nn.Module):
    """
    Class logits of a pair: an attribution-weighted pool of both looks, refined where it is fine.

    The looks' features and logits are pooled by w1 and w2; features of the fused image, at a
    quarter of the image's size and finer than the looks, add their detail.
    """

    def __init__(self, classes: int, of_looks: int, of_fusion: int, width: int) -> None:
        super().__init__()
        self.from_looks = nn.Conv2d(2 * of_looks, width, 1)
        self.from_fusion = nn.Conv2d(of_fusion + 1, width, 1)
        self.refine = nn.Sequential(
            Separable(width, width), Separable(width, width), nn.Conv2d(width, classes, 1))
        # A fresh head is the pool of both looks.
        nn.init.zeros_(self.refine[-1].weight)
        nn.init.zeros_(self.refine[-1].bias)

    def forward(self, features: tuple[Tensor, Tensor], logits: tuple[Tensor, Tensor],
                w_thermal: Tensor, fused: Tensor) -> Tensor:
        """
        Return logits (B, C, H/d, W/d).

        features, logits: of thermal and of luma, (B, F, h, w) and (B, C, h, w); w_thermal: w1
        (B, 1, h, w); fused: features of the fusion's last stage, (B, G, H/d, W/d).
        """
        by_thermal, by_luma = features
        seen = self.from_looks(torch.cat(
            (by_thermal * w_thermal, by_luma * (1 - w_thermal)), dim=1))
        coarse = pooled(*logits, w_thermal)
        both = F.interpolate(torch.cat((seen, coarse, w_thermal), dim=1), size=fused.shape[2:],
                             mode='bilinear', align_corners=False)
        seen, coarse, share = both.split((seen.shape[1], coarse.shape[1], 1), dim=1)
        detail = self.from_fusion(torch.cat((fused, share), dim=1))
        return coarse + self.refine(F.relu6(seen + detail))
