"""The whole network as it is deployed: looks, attribution, unfolding fusion, mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.contrast import rebased
from uaafusion_ros.network.guidance import Guidance
from uaafusion_ros.network.guidance import guidance
from uaafusion_ros.network.mask_head import MaskHead
from uaafusion_ros.network.presets import Preset
from uaafusion_ros.network.segmentation import resized

SHARPNESS = 0.06  # added share of what a mean over 3 x 3 pixels takes away


@dataclass(frozen=True)
class Looks:
    """What the network sees in each source alone; thermal first, each (B, _, h, w)."""

    features: tuple[Tensor, Tensor]
    logits: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Prediction:
    """
    Output of one forward pass.

    fused: luma (B, 1, H, W) in [0, 1]; iterates: [I^(0), ..., I^(K)], (B, 1, H, W), not clipped,
    the last of them sharpened;
    sources: thermal and luma as the guidance rebased them; features: those of the last stage,
    None where no mask head takes them.
    """

    fused: Tensor
    iterates: list[Tensor]
    sources: tuple[Tensor, Tensor]
    features: Tensor | None = None


class UAAFusion(nn.Module):
    """
    Fuses thermal and luma under the guidance of attributions and segments both, without autograd.

    H and W must be multiples of 32, the stride of the segmentation backbone. `targets` are the
    ids of the classes whose contrast the fused image keeps, `bodies` those of them that have one
    contrast as a whole. Raises ParameterError for a preset whose attribution has no closed form;
    see network/exact.py.
    """

    multiple = 32

    def __init__(self, spec: Preset, targets: Sequence[int] = (),
                 bodies: Sequence[int] = ()) -> None:
        super().__init__()
        if spec.attribution != 'closed':
            raise ParameterError(
                f"preset '{spec.name}' asks autograd for its attribution and is for study in "
                "PyTorch; only presets with an attribution in closed form, such as 'fast', can be "
                'deployed')
        self.spec = spec
        self.fusion = make_fusion(spec)
        self.segmenter = make_segmenter(spec)
        self.mask_head = MaskHead(
            spec.classes, spec.segmenter_width, spec.channels, spec.mask_width)
        self.register_buffer('log_black', torch.full((spec.classes,), 1 / spec.classes).log())
        self.register_buffer('targets', torch.zeros(spec.classes))
        self.register_buffer('bodies', torch.zeros(spec.classes))
        self.mark(targets, bodies)

    def mark(self, targets: Sequence[int], bodies: Sequence[int]) -> None:
        """Set the classes whose contrast is kept, and those of them with one as a whole."""
        for marks, ids in ((self.targets, targets), (self.bodies, bodies)):
            marks.zero_()
            marks[list(ids)] = 1.0

    def look(self, thermal: Tensor, luma: Tensor, chroma: Tensor) -> Looks:
        """See each source alone: thermal, luma (B, 1, H, W), chroma (B, 2, H, W) in [0, 1]."""
        # Made small one by one: small images are cheaper to join.
        by_luma = resized(torch.cat((luma, chroma), dim=1), self.spec.look_scale)
        by_thermal = resized(thermal, self.spec.look_scale)
        by_thermal = F.pad(by_thermal, (0, 0, 0, 0, 0, 2), value=0.5)
        features = self.segmenter.padded_features(torch.cat((by_thermal, by_luma)))
        return Looks(features.chunk(2), self.segmenter.classify(features).chunk(2))

    @torch.no_grad()
    def look_at_black(self) -> None:
        """Note the baseline of the attributions: the log-probabilities of a black image."""
        black = torch.zeros(1, 1, 256, 256, device=self.log_black.device)
        looks = self.look(black, black, black.expand(-1, 2, -1, -1) + 0.5)
        scores = torch.cat(looks.logits).softmax(1).mean(dim=(0, 2, 3))
        self.log_black.copy_(scores.clamp_min(1e-4).log())

    def guide(self, looks: Looks) -> Guidance:
        """Attribute every place to the sources."""
        found = guidance(
            *looks.logits, self.log_black, self.targets, self.targets * self.bodies,
            self.spec.attribution_floor)
        if self.spec.weights == 'even':
            return replace(found, w_thermal=torch.full_like(found.w_thermal, 0.5),
                           targets=torch.zeros_like(found.targets))
        return found

    def fuse(self, thermal: Tensor, luma: Tensor, guide: Guidance) -> Prediction:
        """Fuse thermal and luma (B, 1, H, W) under the guidance of both looks."""
        size = tuple(n // self.spec.downscale for n in luma.shape[2:])
        cells = F.interpolate(torch.cat((guide.w_thermal, guide.targets, guide.bodies), dim=1),
                              size=size, mode='bilinear', align_corners=False)
        w_thermal, targets, bodies = cells.chunk(3, dim=1)
        sources = rebased(thermal, luma, targets, bodies, w_thermal)
        unfolded = self.fusion.unfold(*sources, w_thermal)
        *earlier, last = unfolded.iterates
        fused = sharpened(last)
        return Prediction(fused.clamp(0, 1), [*earlier, fused], sources, unfolded.features)

    def segment(self, looks: Looks, guide: Guidance, fused: Prediction) -> Tensor:
        """Return class logits (B, C, H/d, W/d), which `decide` takes."""
        return self.mask_head(looks.features, looks.logits, guide.w_thermal, fused.features)

    def forward(self, thermal: Tensor, luma: Tensor,
                chroma: Tensor) -> tuple[Prediction, Guidance, Tensor]:
        """
        Return the fusion, what guided it, and the class logits (B, C, H/d, W/d).

        thermal, luma: (B, 1, H, W); chroma: (B, 2, H, W); all in [0, 1].
        """
        looks = self.look(thermal, luma, chroma)
        guide = self.guide(looks)
        result = self.fuse(thermal, luma, guide)
        return result, guide, self.segment(looks, guide, result)


def sharpened(image: Tensor) -> Tensor:
    """Return `image` (B, 1, H, W) without the slight softness that the unfolding leaves."""
    smooth = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode='replicate'), 3, 1)
    return image + SHARPNESS * (image - smooth)


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

        The attributions of thermal and luma, w1 and the targets, each (1, 1, h, w), and the
        iterates I^(1), ..., I^(K), each (1, 1, H, W), not clipped.
        """
        outputs, result, guide = self._outputs(rgb, thermal)
        return (*outputs, guide.thermal, guide.luma, guide.w_thermal, guide.targets,
                *result.iterates[1:])

    def _outputs(self, rgb: Tensor, thermal: Tensor) -> tuple[
            tuple[Tensor, Tensor, Tensor], Prediction, Guidance]:
        # Bytes are cast to floats at once and from floats last: TensorRT converts uint8 to and
        # from floats alone, and computes with it nowhere.
        colour = rgb.float().permute(2, 0, 1).unsqueeze(0) / 255
        red, green, blue = colour.chunk(3, dim=1)
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        chroma = torch.cat(((red - luma) / 1.402, (blue - luma) / 1.772), dim=1) + 0.5
        heat = thermal.float().unsqueeze(0).unsqueeze(0) / 255
        result, guide, logits = self.network(heat, luma, chroma)
        # The chroma stays, so a change of luma is the same change in red, green and blue.
        image = (colour + (result.fused - luma)).clamp(0, 1)
        image = torch.floor(image[0].permute(1, 2, 0) * 255 + 0.5).to(torch.uint8)
        mask, confidence = decide(logits, luma.shape[2:])
        confidence = torch.floor(confidence[0] * 255 + 0.5)
        return (image, mask[0].to(torch.uint8), confidence.to(torch.uint8)), result, guide
