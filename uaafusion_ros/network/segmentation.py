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

    def __init__(self) -> None:
        super().__init__()
        matrix = torch.tensor([[1, 1.402, 0], [1, -0.714136, -0.344136], [1, 0, 1.772]])
        self.register_buffer('matrix', matrix.view(3, 3, 1, 1), persistent=False)
        self.register_buffer('neutral', -matrix[:, 1:].sum(1) / 2, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return unclipped RGB from YCrCb, both (B, 3, H, W)."""
        # A convolution, because runtimes split channels slowly.
        return F.conv2d(image, self.matrix, self.neutral)


def rgb_to_ycrcb(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Return luma (B, 1, H, W) and chroma (B, 2, H, W; Cr, Cb) in [0, 1] of RGB in [0, 1]."""
    red, green, blue = rgb.unbind(1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    cr = (red - y) / 1.402 + 0.5
    cb = (blue - y) / 1.772 + 0.5
    return y.unsqueeze(1), torch.stack((cr, cb), dim=1)


def resized(image: Tensor, scale: float) -> Tensor:
    """Return images (B, C, H, W) at `scale`, a multiple of an eighth, of their size."""
    if scale == 1:
        return image
    # In whole eighths, because sizes are symbols when the graph is exported.
    size = [n * int(8 * scale) // 8 for n in image.shape[2:]]
    return F.interpolate(image, size=size, mode='bilinear', align_corners=False)


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

    def features(self, image: Tensor) -> Tensor:
        """Return what is classified, (B, width, H/4, W/4), of YCrCb (B, 3, H, W)."""
        features = self.backbone(self.to_rgb(image) * 2 - 1)
        top = None
        for feature, lateral, smooth in zip(
                reversed(features), reversed(self.lateral), reversed(self.smooth)):
            level = lateral(feature)
            if top is not None:
                level = level + F.interpolate(top, scale_factor=2, mode='nearest')
            top = smooth(level)
        return top

    def coarse(self, image: Tensor) -> Tensor:
        """Return logits (B, classes, H/4, W/4) of YCrCb (B, 3, H, W) in multiples of 32."""
        return self.classify(self.features(image))

    def padded_features(self, image: Tensor) -> Tensor:
        """Return `features` (B, width, h/4, w/4) of YCrCb (B, 3, h, w) of any size."""
        # The backbone halves five times.
        height, width = image.shape[2:]
        right, down = ((n + 31) // 32 * 32 - n for n in (width, height))
        found = self.features(F.pad(image, (0, right, 0, down), mode='replicate'))
        return found[:, :, :height // 4, :width // 4]

    def padded(self, image: Tensor) -> Tensor:
        """Return logits (B, classes, h/4, w/4) of YCrCb (B, 3, h, w) of any size."""
        return self.classify(self.padded_features(image))

    def look(self, luma: Tensor, chroma: Tensor, scale: float) -> Tensor:
        """Return logits of the image seen at `scale` times its size, about a quarter of that."""
        return self.padded(resized(torch.cat((luma, chroma), dim=1), scale))

    def forward(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return logits (B, classes, H, W)."""
        return F.interpolate(self.look(luma, chroma, self.scale), size=luma.shape[2:],
                             mode='bilinear', align_corners=False)

    def unscaled(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) of images that have the working size already."""
        coarse = self.coarse(torch.cat((luma, chroma), dim=1))
        return F.interpolate(coarse, scale_factor=4, mode='bilinear', align_corners=False)

    def scores(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return class probabilities (B, classes, H, W)."""
        return self(luma, chroma).softmax(dim=1)
