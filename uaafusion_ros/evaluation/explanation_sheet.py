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

MOST = {'nats': 4.0, 'of the score': 1.0}  # where the colours of the information end, by unit
SMALLEST_SHARE = 0.0005  # of the image: regions below are noise
WIDTH = 4  # pictures in a row


def explanation_sheet(found: Explanation, rgb: np.ndarray, thermal: np.ndarray,
                      spec: ModelSpec) -> np.ndarray:
    """
    Lay out sources, information, weights, targets and iterates; returns uint8 HxWx3 RGB.

    rgb: uint8 HxWx3 and thermal: uint8 HxW as they went into the graph. Information and targets
    are drawn from black (none) over red to yellow, w1 from blue (RGB) over white (even) to red
    (thermal).
    """
    size, most = thermal.shape, MOST[found.unit]
    scale = f'0 black to {most:g} {found.unit} yellow'
    mask = overlay(found.output.fused, found.output.mask, spec.palette, 0.5)
    pictures = {
        'thermal': thermal, 'rgb': rgb, 'fused': found.output.fused, 'classes': mask,
        f'information of thermal ({scale})': sequential(
            stretched(found.information_thermal, size) / most),
        f'information of rgb ({scale})': sequential(
            stretched(found.information_rgb, size) / most),
        'w1: weight of thermal (red), rgb (blue)': diverging(
            stretched(found.w_thermal, size) * 2 - 1),
        'targets (0 black to 1 yellow)': sequential(stretched(found.targets, size))}
    for stage, image in enumerate(found.iterates):
        pictures[f'luma after stage {stage + 1}'] = np.clip(
            image * 255 + 0.5, 0, 255).astype(np.uint8)
    rows = []
    for start in range(0, len(pictures), WIDTH):
        names, images = zip(*list(pictures.items())[start:start + WIDTH])
        images += (np.full_like(rgb, PAPER),) * (WIDTH - len(images))
        rows.append(Row(images, '   |   '.join(names)))
    legend = [Key((int(r), int(g), int(b)), name)
              for name, (r, g, b) in zip(spec.classes, spec.palette)]
    return contact_sheet('Why the fused image looks so', [('', '')] * WIDTH, rows, legend,
                         table(found, spec.classes))


def table(found: Explanation, classes: tuple[str, ...]) -> list[str]:
    """
    Return one sentence per class of the mask, the largest first.

    It names the mean information of either source and the mean weight w1 over the class's places.
    """
    mask = found.output.mask
    maps = [stretched(values, mask.shape) for values in (
        found.information_thermal, found.information_rgb, found.w_thermal)]
    counts = np.bincount(mask.ravel(), minlength=len(classes))
    lines = []
    for c in np.argsort(-counts, kind='stable'):
        part = counts[c] / mask.size
        if part < SMALLEST_SHARE:
            continue
        by_thermal, by_rgb, weight = (float(values[mask == c].mean()) for values in maps)
        lines.append(
            f'{classes[c]} ({part:.1%}): information of thermal {by_thermal:.2f}, of rgb '
            f'{by_rgb:.2f} {found.unit}; weight of thermal there {weight:.2f}')
    return lines


def stretched(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a map (h, w) at `size` (H, W), float32, linearly interpolated."""
    return cv2.resize(np.float32(values), size[::-1], interpolation=cv2.INTER_LINEAR)


def sequential(values: np.ndarray) -> np.ndarray:
    """Colour values in [0, 1] from black over red to yellow; returns uint8 HxWx3 RGB."""
    levels = np.uint8(np.clip(values, 0, 1) * 255 + 0.5)
    return cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]


def diverging(values: np.ndarray) -> np.ndarray:
    """Colour values in [-1, 1] from blue over white to red; returns uint8 HxWx3 RGB."""
    values = np.clip(values, -1, 1)[..., None]
    cold, warm = np.array([33, 102, 172]), np.array([178, 24, 43])
    ends = np.where(values > 0, warm, cold)
    return np.uint8(255 + np.abs(values) * (ends - 255.0))
