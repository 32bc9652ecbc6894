"""The whole network as it is deployed: attribution head, unfolding fusion, segmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.network.attribution_head import AttributionHead
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.presets import Preset


@dataclass(frozen=True)
class Prediction:
    """
    Output of one forward pass.

    fused: luma (B, 1, H, W) in [0, 1]; iterates: [I^(0), ..., I^(K)], (B, 1, H, W), not clipped;
    w_thermal: w1 (B, 1, H, W); attention: A of stages 2..K, (B, K-1, H/8, W/8).
    """

    fused: Tensor
    iterates: list[Tensor]
    w_thermal: Tensor
    attention: Tensor


class UAAFusion(nn.Module):
    """
    Fuses thermal and luma and segments the fused image, without autograd.

    H and W must be multiples of 32, the stride of the segmentation backbone. Raises
    ParameterError for a preset whose attribution is not distilled; see network/exact.py.
    """

    multiple = 32

    def __init__(self, spec: Preset) -> None:
        super().__init__()
        if spec.attribution != 'distilled':
            raise ParameterError(
                f"preset '{spec.name}' asks autograd for its attribution and is for study in "
                "PyTorch; only presets with distilled attribution, such as 'fast', can be "
                'deployed')
        self.spec = spec
        self.fusion = make_fusion(spec)
        self.segmenter = make_segmenter(spec)
        self.attribution = AttributionHead(spec.classes, spec.stages, spec.attribution_width)

    def first_look(self, thermal: Tensor, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return class probabilities of the source average, (B, C, H/8, W/8)."""
        mean = F.avg_pool2d(torch.cat(((thermal + luma) / 2, chroma), dim=1), 2)
        height, width = mean.shape[2:]
        # Half of a multiple of 32 may be an odd multiple of 16, which the backbone cannot halve.
        mean = F.pad(mean, (0, width % 32, 0, height % 32), mode='replicate')
        logits = self.segmenter.coarse(mean[:, :1], mean[:, 1:])
        return logits[:, :, :height // 4, :width // 4].softmax(dim=1)

    def fuse(self, thermal: Tensor, luma: Tensor, scores: Tensor) -> Prediction:
        """Fuse, given the class probabilities of `first_look`."""
        weights, maps = self.attribution(thermal, luma, scores)
        size = (luma.shape[2] // self.spec.downscale, luma.shape[3] // self.spec.downscale)
        gates = F.interpolate(maps, size=size, mode='bilinear', align_corners=False)

        def attention(stage: int, iterates: list[Tensor]) -> Tensor:
            if stage == 0:
                return gates.new_zeros(1, 1, 1, 1)
            return gates[:, stage - 1:stage]

        iterates = self.fusion(thermal, luma, weights, attention)
        return Prediction(iterates[-1].clamp(0, 1), iterates, weights, maps)

    def forward(self, thermal: Tensor, luma: Tensor,
                chroma: Tensor) -> tuple[Prediction, Tensor]:
        """
        Return the fusion and the class logits (B, C, H, W) of the fused image.

        thermal, luma: (B, 1, H, W); chroma: (B, 2, H, W); all in [0, 1].
        """
        result = self.fuse(thermal, luma, self.first_look(thermal, luma, chroma))
        return result, self.segmenter(result.fused, chroma)


class Deployed(nn.Module):
    """
    Camera bytes in, message-ready bytes out: the graph that is exported.

    Colour conversion, scaling, argmax and quantisation happen inside, so that no runtime can do
    them differently.
    """

    def __init__(self, network: UAAFusion) -> None:
        super().__init__()
        self.network = network

    def forward(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """
        Return fused uint8 (H, W, 3), mask uint8 (H, W), confidence uint8 (H, W).

        rgb: uint8 (H, W, 3); thermal: uint8 (H, W). The fused image carries the fused luma and
        the RGB camera's chroma. Confidence is the winning class's probability times 255.
        """
        # Bytes are cast to floats at once and from floats last: TensorRT converts uint8 to and
        # from floats alone, and computes with it nowhere.
        colour = rgb.float().permute(2, 0, 1).unsqueeze(0) / 255
        red, green, blue = colour.chunk(3, dim=1)
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        chroma = torch.cat(((red - luma) / 1.402, (blue - luma) / 1.772), dim=1) + 0.5
        heat = thermal.float().unsqueeze(0).unsqueeze(0) / 255
        result, logits = self.network(heat, luma, chroma)
        # The chroma stays, so a change of luma is the same change in red, green and blue.
        image = (colour + (result.fused - luma)).clamp(0, 1)
        image = torch.floor(image[0].permute(1, 2, 0) * 255 + 0.5).to(torch.uint8)
        scores = logits.softmax(dim=1)
        confidence, mask = scores.max(dim=1)
        confidence = torch.floor(confidence[0] * 255 + 0.5)
        return image, mask[0].float().to(torch.uint8), confidence.to(torch.uint8)
