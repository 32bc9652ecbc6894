"""
The published segmentation network: MobileNetV2 with a DeepLabV3+ decoder, without ASPP.

Follows M. Sandler et al., "MobileNetV2", CVPR 2018, and L.-C. Chen et al., "Encoder-Decoder with
Atrous Separable Convolution", ECCV 2018, in the shape that H. Bai et al. (IEEE TCSVT 2025) use:
one input channel, output stride 16, one sigmoid per class.
"""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

# expansion, output channels, repeats, stride and dilation of the first and of the other blocks
BLOCKS = (
    (1, 16, 1, 1, 1, 1),
    (6, 24, 2, 2, 1, 1),
    (6, 32, 3, 2, 1, 1),
    (6, 64, 4, 2, 1, 1),
    (6, 96, 3, 1, 1, 1),
    # Its stride of 2 is dropped for output stride 16; what follows is dilated instead.
    (6, 160, 3, 1, 1, 2),
    (6, 320, 1, 1, 2, 2),
)
LOW_BLOCKS = 3  # blocks up to the features at stride 4
LOW_CHANNELS, SHORTCUT, HIGH_CHANNELS, WIDTH = 24, 48, 320, 256


def conv_norm(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, dilation: int = 1,
              groups: int = 1) -> list[nn.Module]:
    """Return a convolution that keeps the size (but for its stride) and its batch norm."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, groups,
                  bias=False),
        nn.BatchNorm2d(outputs)]


class Bottleneck(nn.Module):
    """Expand, depthwise, project; with a skip where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, expand: int, stride: int,
                 dilation: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.skip = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expand != 1:
            layers += [*conv_norm(inputs, hidden), nn.ReLU6()]
        layers += [*conv_norm(hidden, hidden, 3, stride, dilation, hidden), nn.ReLU6(),
                   *conv_norm(hidden, outputs)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features for `x` (B, inputs, H, W)."""
        y = self.body(x)
        return x + y if self.skip else y


class PaperSegmenter(nn.Module):
    """
    Segments luma alone; chroma is taken for the common signature and not looked at.

    H and W must be multiples of 16.
    """

    multiple = 16

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        blocks = []
        inputs = 32
        for expand, outputs, repeats, stride, first, others in BLOCKS:
            for index in range(repeats):
                blocks.append(Bottleneck(
                    inputs, outputs, expand, stride if index == 0 else 1,
                    first if index == 0 else others))
                inputs = outputs
        stem = [*conv_norm(1, 32, 3, 2), nn.ReLU6()]
        self.low = nn.Sequential(*stem, *blocks[:LOW_BLOCKS])
        self.high = nn.Sequential(*blocks[LOW_BLOCKS:])
        self.shortcut = nn.Sequential(
            nn.Conv2d(LOW_CHANNELS, SHORTCUT, 1), nn.BatchNorm2d(SHORTCUT), nn.ReLU())
        self.decode = nn.Sequential(
            nn.Conv2d(SHORTCUT + HIGH_CHANNELS, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH),
            nn.ReLU(), nn.Dropout(0.5),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH), nn.ReLU(),
            nn.Dropout(0.1))
        self.classify = nn.Conv2d(WIDTH, classes, 1)

    def features(self, luma: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, 24, H/4, W/4) and (B, 320, H/16, W/16)."""
        low = self.low(luma)
        return low, self.high(low)

    def joined(self, luma: Tensor) -> Tensor:
        """Return what the decoder sees, (B, 368, H/4, W/4): both features at the finer size."""
        low, high = self.features(luma)
        high = F.interpolate(high, size=low.shape[2:], mode='bilinear', align_corners=True)
        return torch.cat((self.shortcut(low), high), dim=1)

    def coarse(self, luma: Tensor) -> Tensor:
        """Return logits at a quarter of the size, (B, classes, H/4, W/4)."""
        return self.classify(self.decode(self.joined(luma)))

    def forward(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return logits (B, classes, H, W)."""
        return F.interpolate(
            self.coarse(luma), size=luma.shape[2:], mode='bilinear', align_corners=True)

    def unscaled(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) of images that have the working size already."""
        return self(luma, chroma)

    def scores(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return one sigmoid per class, (B, classes, H, W) in [0, 1]; they need not add to 1."""
        return torch.sigmoid(self(luma, chroma))
