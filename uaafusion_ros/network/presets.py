"""Presets: an architecture is data; one builder turns it into modules."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace

from uaafusion_ros.errors import ParameterError


@dataclass(frozen=True)
class Preset:
    """
    Everything that distinguishes one network from another.

    stages: K, the unfolded iterations. channels: features of a stage; downscale: the
    pixel-unshuffle factor at which they live. step: 'descent' or 'discarded' (as published),
    step_init: initial rho. head: 'blend', 'conv' or 'sigmoid'; memory: 'gated' or 'convlstm';
    spare_start: a unit for a learned first image, published but never used.
    segmenter: 'lite' or 'mobilenet' (the published one).

    attribution: 'closed' takes it from the scores of each source and can be exported, 'exact'
    needs autograd and cannot; attribution_floor: a weak attribution in nats, in closed form.
    weights: 'attributed', or 'even' for w1 = w2 = 1/2, to compare with.
    regions: exact class attributions per 'image' or, as published, shared by the 'batch'.
    attention: the exact maps 'normalised', 'raw' as published, or 'off' for comparison, averaged
    over squares of attention_stride pixels.
    segmenter_width and mask_width: channels of the lite decoder and of the mask's head;
    segmenter_scale and look_scale: the parts of the image's size at which the lite segmenter
    judges a fused image and looks at each source.
    """

    name: str
    classes: int = 9
    stages: int = 3
    channels: int = 16
    downscale: int = 2
    padding: str = 'zeros'
    activation: str = 'relu'
    step: str = 'descent'
    step_init: float = 0.5
    body: str = 'light'
    head: str = 'blend'
    memory: str = 'gated'
    spare_start: bool = False
    segmenter: str = 'lite'
    segmenter_width: int = 64
    segmenter_scale: float = 1.0
    look_scale: float = 1.0
    attribution: str = 'closed'
    attribution_floor: float = 0.1
    weights: str = 'attributed'
    mask_width: int = 32
    regions: str = 'image'
    attention: str = 'normalised'
    attention_stride: int = 8


# 0.6 of 640 x 480 is a multiple of the backbone's stride, so nothing is spent on a border.
FAST = Preset('fast', downscale=4, segmenter_scale=0.6, look_scale=0.6)
# The published shapes, with the step taken, the attention at work and the figure's activation
# and head.
PAPER = Preset(
    'paper', stages=5, channels=32, downscale=1, padding='reflect', activation='lrelu',
    step_init=0.1, body='units', head='conv', memory='convlstm', segmenter='mobilenet',
    attribution='exact')
# The published code, with what in it has no effect.
RELEASE = replace(
    PAPER, name='release', classes=15, activation='prelu', head='sigmoid', step='discarded',
    step_init=0.001, spare_start=True, regions='batch', attention='raw', attention_stride=1)

PRESETS = {row.name: row for row in (FAST, PAPER, RELEASE)}


def preset(name: str) -> Preset:
    """Return a preset by name; raises ParameterError naming the known ones."""
    if name not in PRESETS:
        raise ParameterError(f"preset '{name}' is unknown; known: {', '.join(PRESETS)}")
    return PRESETS[name]
