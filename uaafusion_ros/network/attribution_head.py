"""
Attribution without autograd, for deployment.

Integrated gradients are complete: over the whole image they add up to the change of the score
between the black image and the image itself (Sundararajan et al., ICML 2017). The attribution of
a class to a source therefore needs no gradient, only the scores of the source seen alone. What
has no closed form, the attention maps, comes from a small head distilled from the exact ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.network.attribution import gain_of_scores
from uaafusion_ros.network.attribution import spread
from uaafusion_ros.network.attribution import thermal_share
from uaafusion_ros.network.segmentation import Separable


@dataclass(frozen=True)
class Attribution:
    """
    What the sources say about the classes.

    thermal, luma: gains of score (B, C) over the class's region; w_thermal: w1 (B, 1, H, W) in
    (0, 1); cells: the same over squares of the unfolding network, (B, 1, H/d, W/d); maps:
    normalised A of stages 2..K, (B, K-1, h, w).
    """

    thermal: Tensor
    luma: Tensor
    w_thermal: Tensor
    cells: Tensor
    maps: Tensor


class AttributionHead(nn.Module):
    """
    Predicts w1 and the attention maps of stages 2..K.

    The buffer `black` holds the class scores (C,) of a black image, the baseline; `downscale` is
    that of the unfolding network.
    """

    def __init__(self, classes: int, stages: int, width: int, floor: float,
                 downscale: int) -> None:
        super().__init__()
        self.floor, self.downscale = floor, downscale
        self.register_buffer('black', torch.zeros(classes))
        self.attention = nn.Sequential(
            Separable(2 * classes + 2, width), Separable(width, width),
            nn.Conv2d(width, stages - 1, 1))

    def forward(self, thermal: Tensor, luma: Tensor, by_thermal: Tensor,
                by_luma: Tensor) -> Attribution:
        """
        Attribute, given the sources and what the segmentation network saw in each alone.

        thermal, luma: (B, 1, H, W); by_thermal, by_luma: class probabilities (B, C, h, w). The
        regions are the mean of both, undecided where they differ.
        """
        regions = (by_thermal + by_luma) / 2
        gains = [gain_of_scores(regions, scores, self.black) for scores in (by_thermal, by_luma)]
        share = thermal_share(*gains, self.floor)
        size = luma.shape[2:]
        # Enlarged twice, because a runtime leaves out the large one, which only explains.
        weights, cells = (
            spread(regions, share, torch.Size(n // d for n in size)) for d in (1, self.downscale))
        small = F.interpolate(torch.cat((thermal, luma), dim=1), size=by_luma.shape[2:],
                              mode='bilinear', align_corners=False)
        maps = self.attention(torch.cat((by_thermal, by_luma, small), dim=1))
        return Attribution(*gains, weights, cells, maps)
