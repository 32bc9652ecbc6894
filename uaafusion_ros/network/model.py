"""The whole network as it is deployed: attribution head, unfolding fusion, segmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.network.attribution_head import Attribution
from uaafusion_ros.network.attribution_head import AttributionHead
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.presets import Preset
from uaafusion_ros.network.segmentation import resized


@dataclass(frozen=True)
class Prediction:
    """
    Output of one forward pass.

    fused: luma (B, 1, H, W) in [0, 1]; iterates: [I^(0), ..., I^(K)], (B, 1, H, W), not clipped.
    """

    fused: Tensor
    iterates: list[Tensor]
    attribution: Attribution


class UAAFusion(nn.Module):
    """
    Fuses thermal and luma and segments the fused image, without autograd.

    H and W must be multiples of 32, the stride of the segmentation backbone. Raises
    ParameterError for a preset whose attribution is not distilled; see network/exact.py.
    """

    multiple = 32

    def __init__(self, spec: Preset) -> None:
        super().__init__()
        if spec.attribution != 'closed':
            raise ParameterError(
                f"preset '{spec.name}' asks autograd for its attribution and is for study in "
                "PyTorch; only presets with distilled attribution, such as 'fast', can be "
                'deployed')
        self.spec = spec
        self.fusion = make_fusion(spec)
        self.segmenter = make_segmenter(spec)
        self.attribution = AttributionHead(
            spec.classes, spec.stages, spec.attribution_width, spec.attribution_floor,
            spec.downscale)

    def first_look(self, thermal: Tensor, luma: Tensor,
                   chroma: Tensor) -> tuple[Tensor, Tensor]:
        """Return class probabilities (B, C, h, w) of thermal and of the RGB image, each alone."""
        # Made small one by one: small images are cheaper to join.
        by_luma = resized(torch.cat((luma, chroma), dim=1), self.spec.look_scale)
        by_thermal = resized(thermal, self.spec.look_scale)
        by_thermal = F.pad(by_thermal, (0, 0, 0, 0, 0, 2), value=0.5)
        logits = self.segmenter.padded(torch.cat((by_thermal, by_luma)))
        by_thermal, by_luma = logits.softmax(dim=1).chunk(2)
        return by_thermal, by_luma

    def look_at_black(self) -> None:
        """Note the baseline of the attributions: the scores of a black image."""
        black = torch.zeros(1, 1, 256, 256, device=self.attribution.black.device)
        scores = self.segmenter.look(black, black.expand(-1, 2, -1, -1) + 0.5, 1.0).softmax(1)
        self.attribution.black.copy_(scores.mean(dim=(0, 2, 3)))

    def fuse(self, thermal: Tensor, luma: Tensor, looks: tuple[Tensor, Tensor]) -> Prediction:
        """Fuse, given what `first_look` returns."""
        found = self.attribution(thermal, luma, *looks)
        size = (luma.shape[2] // self.spec.downscale, luma.shape[3] // self.spec.downscale)
        gates = F.interpolate(found.maps, size=size, mode='bilinear', align_corners=False)

        def attention(stage: int, iterates: list[Tensor]) -> Tensor:
            if stage == 0:
                return gates.new_zeros(1, 1, 1, 1)
            return gates[:, stage - 1:stage]

        iterates = self.fusion(thermal, luma, found.cells, attention)
        return Prediction(iterates[-1].clamp(0, 1), iterates, found)

    def forward(self, thermal: Tensor, luma: Tensor,
                chroma: Tensor) -> tuple[Prediction, Tensor]:
        """
        Return the fusion and the class logits of the fused image, which `decide` takes.

        thermal, luma: (B, 1, H, W); chroma: (B, 2, H, W); all in [0, 1].
        """
        result = self.fuse(thermal, luma, self.first_look(thermal, luma, chroma))
        return result, self.segmenter.look(
            result.fused, chroma, self.segmenter.scale)


def decide(logits: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """
    Return class ids and the winning class's probability, float (B, H, W), for images of `size`.

    logits: (B, C, h, w) of any size. Decided at half the image's size, finer than the logits of
    any preset, and repeated: at the whole size the softmax alone takes a tenth of the time.
    """
    half = torch.Size(n // 2 for n in size)
    scores = F.interpolate(logits, size=half, mode='bilinear', align_corners=False).softmax(dim=1)
    confidence, mask = scores.max(dim=1)
    both = F.interpolate(torch.stack((mask.float(), confidence), dim=1), scale_factor=2.0)
    return both[:, 0], both[:, 1]


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
        return self._outputs(rgb, thermal)[0]

    def explained(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, ...]:
        """
        Return the three outputs and what led to them.

        The gains of score per class of thermal and luma (1, C), w1 (1, 1, H, W), the attention
        maps (1, K-1, h, w) and the iterates I^(1), ..., I^(K), each (1, 1, H, W), not clipped.
        """
        outputs, result = self._outputs(rgb, thermal)
        found = result.attribution
        return (*outputs, found.thermal, found.luma, found.w_thermal, found.maps,
                *result.iterates[1:])

    def _outputs(self, rgb: Tensor,
                 thermal: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Prediction]:
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
        mask, confidence = decide(logits, luma.shape[2:])
        confidence = torch.floor(confidence[0] * 255 + 0.5)
        return (image, mask[0].to(torch.uint8), confidence.to(torch.uint8)), result
