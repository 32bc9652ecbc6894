"""
Segmentation networks: what attribution asks, and what makes the mask.

Each takes luma (B, 1, H, W) and chroma (B, 2, H, W; Cr, Cb), all in [0, 1], and returns logits
(B, classes, H, W); its method `scores` returns what attribution asks, class scores in [0, 1].
The published one lies in segmentation_paper.py.
"""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.network.backbone import ConvNorm
from uaafusion_ros.network.backbone import EfficientNetLite0


class YCrCbToRGB(nn.Module):
    """Full-range BT.601 YCrCb in [0, 1] to RGB (ITU-R BT.601; the inverse of `rgb_to_ycrcb`)."""

    def forward(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return unclipped RGB (B, 3, H, W) from luma (B, 1, H, W) and chroma (B, 2, H, W)."""
        cr, cb = (chroma - 0.5).unbind(1)
        y = luma[:, 0]
        return torch.stack(
            (y + 1.402 * cr, y - 0.714136 * cr - 0.344136 * cb, y + 1.772 * cb), dim=1)


def rgb_to_ycrcb(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Return luma (B, 1, H, W) and chroma (B, 2, H, W; Cr, Cb) in [0, 1] of RGB in [0, 1]."""
    red, green, blue = rgb.unbind(1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    cr = (red - y) / 1.402 + 0.5
    cb = (blue - y) / 1.772 + 0.5
    return y.unsqueeze(1), torch.stack((cr, cb), dim=1)


class Separable(nn.Sequential):
    """Depthwise then pointwise convolution, each with batch norm and ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 5) -> None:
        super().__init__(
            ConvNorm(inputs, inputs, kernel, groups=inputs), ConvNorm(inputs, outputs))


class LiteSegmenter(nn.Module):
    """
    EfficientNet-Lite0 with a feature-pyramid decoder, at a part of the image's size.

    The decoder adds each coarser level to the next finer one (Lin et al., "Feature Pyramid
    Networks", CVPR 2017) with separable convolutions. H and W must be multiples of 32; `scale`
    is a multiple of an eighth.
    """

    def __init__(self, classes: int, width: int = 64, scale: float = 1.0) -> None:
        super().__init__()
        self.classes, self.scale = classes, scale
        self.to_rgb = YCrCbToRGB()
        self.backbone = EfficientNetLite0()
        self.lateral = nn.ModuleList(
            ConvNorm(channels, width, act=False) for channels in EfficientNetLite0.channels)
        self.smooth = nn.ModuleList(Separable(width, width) for _ in range(4))
        self.classify = nn.Sequential(
            nn.Dropout2d(0.1), Separable(width, width), nn.Conv2d(width, classes, 1))

    def coarse(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return logits at a quarter of the size, (B, classes, H/4, W/4)."""
        features = self.backbone(self.to_rgb(luma, chroma) * 2 - 1)
        top = None
        for feature, lateral, smooth in zip(
                reversed(features), reversed(self.lateral), reversed(self.smooth)):
            level = lateral(feature)
            if top is not None:
                level = level + F.interpolate(top, scale_factor=2, mode='nearest')
            top = smooth(level)
        return self.classify(top)

    def look(self, luma: Tensor, chroma: Tensor, scale: float) -> Tensor:
        """Return logits of the image seen at `scale` times its size, about a quarter of that."""
        # In whole eighths, because sizes are symbols when the graph is exported.
        height, width = (n * int(8 * scale) // 8 for n in luma.shape[2:])
        image = torch.cat((luma, chroma), dim=1)
        if scale != 1:
            image = F.interpolate(
                image, size=(height, width), mode='bilinear', align_corners=False)
        # A part of a multiple of 32 need not be one, and the backbone halves five times.
        right, down = ((n + 31) // 32 * 32 - n for n in (width, height))
        image = F.pad(image, (0, right, 0, down), mode='replicate')
        logits = self.coarse(image[:, :1], image[:, 1:])
        return logits[:, :, :height // 4, :width // 4]

    def forward(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return logits (B, classes, H, W)."""
        return F.interpolate(self.look(luma, chroma, self.scale), size=luma.shape[2:],
                             mode='bilinear', align_corners=False)

    def unscaled(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) of images that have the working size already."""
        return F.interpolate(
            self.coarse(luma, chroma), scale_factor=4, mode='bilinear', align_corners=False)

    def scores(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return class probabilities (B, classes, H, W)."""
        return self(luma, chroma).softmax(dim=1)
