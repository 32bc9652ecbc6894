"""One figure that shows why a fused image looks as it does."""

from __future__ import annotations

import cv2
import numpy as np

from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.explanation import Explanation
from uaafusion_ros.evaluation.contact_sheet import contact_sheet
from uaafusion_ros.evaluation.contact_sheet import Key
from uaafusion_ros.evaluation.contact_sheet import PAPER
from uaafusion_ros.evaluation.contact_sheet import Row
from uaafusion_ros.imaging.color import overlay

ATTENTION_RANGE = 3.0  # the maps are clipped to +-3 standard deviations
SMALLEST_SHARE = 0.0005  # of the image: regions below are noise


def explanation_sheet(found: Explanation, rgb: np.ndarray, thermal: np.ndarray,
                      spec: ModelSpec) -> np.ndarray:
    """
    Lay out sources, weights, attention and iterates; returns uint8 HxWx3 RGB.

    rgb: uint8 HxWx3 and thermal: uint8 HxW as they went into the graph. Weights and attention
    are drawn from blue (luma, negative) over white (even, none) to red (thermal, positive).
    """
    size = thermal.shape[::-1]
    mask = overlay(found.output.fused, found.output.mask, spec.palette, 0.5)
    share = found.w_thermal * 2 - 1
    maps = [cv2.resize(a, size, interpolation=cv2.INTER_LINEAR) / ATTENTION_RANGE
            for a in found.attention]
    pictures = [thermal, rgb, found.output.fused, mask, diverging(share), diverging(-share),
                *(diverging(a) for a in maps)]
    names = ['thermal', 'rgb', 'fused', 'classes', 'w1: weight of thermal', 'w2: weight of rgb',
             *(f'attention of stage {k + 2}' for k in range(len(maps)))]
    pictures += [np.clip(i * 255 + 0.5, 0, 255).astype(np.uint8) for i in found.iterates]
    names += [f'luma after stage {k + 1}' for k in range(len(found.iterates))]
    width = 4
    rows = []
    for start in range(0, len(pictures), width):
        images = pictures[start:start + width]
        caption = '   |   '.join(names[start:start + width])
        images += [np.full_like(rgb, PAPER)] * (width - len(images))
        rows.append(Row(tuple(images), caption))
    legend = [Key(tuple(int(c) for c in colour), name)
              for name, colour in zip(spec.classes, spec.palette)]
    return contact_sheet('Why the fused image looks so', [('', '')] * width, rows, legend,
                         table(found, spec.classes))


def table(found: Explanation, classes: tuple[str, ...]) -> list[str]:
    """
    Return one sentence per class of the mask, the largest first.

    It names the gains of score that each source alone brings and the weight w1 that follows
    where the class fills the region, read off the weight map.
    """
    counts = np.bincount(found.output.mask.ravel(), minlength=len(classes))
    lines = []
    for c in np.argsort(-counts, kind='stable'):
        part = counts[c] / found.output.mask.size
        if part < SMALLEST_SHARE:
            continue
        weight = float(found.w_thermal[found.output.mask == c].mean())
        lines.append(
            f'{classes[c]} ({part:.1%}): gain of score thermal {found.gain_thermal[c]:+.2f}, '
            f'rgb {found.gain_rgb[c]:+.2f}; weight of thermal there {weight:.2f}')
    return lines


def diverging(values: np.ndarray) -> np.ndarray:
    """Colour values in [-1, 1] from blue over white to red; returns uint8 HxWx3 RGB."""
    values = np.clip(values, -1, 1)[..., None]
    cold, warm = np.array([33, 102, 172]), np.array([178, 24, 43])
    ends = np.where(values > 0, warm, cold)
    return np.uint8(255 + np.abs(values) * (ends - 255.0))
