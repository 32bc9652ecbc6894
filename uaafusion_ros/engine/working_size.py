"""
Large images for little more than small ones cost: decided small, with the pixels of the cameras.

The network runs on both images made small. What it did to the brightness there is, around every
pixel, close to a linear function of thermal and luma: its shares of both. The shares are found by
local linear regression, enlarged, and applied to the whole images, as the fast guided filter does
(He and Sun, arXiv:1505.00996, 2015) and bilateral guided upsampling (Chen et al., ACM TOG 35(6),
2016), here with two guides. So texture that the small images cannot show is fused, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from uaafusion_ros.imaging.buffers import message_image

WINDOW = (5, 5)  # pixels of the small images that share a regression
NOISE = 0.5  # variance, in squared levels, below which texture says nothing about the shares
SHARES = 0.0, 2.0  # of a source: its texture is neither turned round nor more than doubled
WORTH = 1.5  # times the pixels that an image must have for the detour to pay


def working_size(height: int, width: int, asked: tuple[int, int]) -> tuple[int, int] | None:
    """
    Return the (height, width) to work in that just covers the (width, height) `asked`.

    It has the image's shape, upright or not. None where the image is to be run as it is: nothing
    is asked (a zero), or less than a third of the pixels would be saved.
    """
    if not all(asked):
        return None
    scale = max(max(asked) / max(height, width), min(asked) / min(height, width))
    if scale * scale * WORTH > 1:
        return None
    return round(height * scale), round(width * scale)


def shrunk(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image, uint8, made as small as (height, width) by the mean over areas."""
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)


def carried(rgb: np.ndarray, thermal: np.ndarray, small_rgb: np.ndarray,
            small_thermal: np.ndarray, outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """
    Return fused image, mask and confidence of whole images from the `outputs` of small ones.

    rgb, small_rgb: uint8 (H, W, 3) and (h, w, 3); thermal, small_thermal: uint8 (H, W), (h, w).
    """
    fused, mask, confidence = outputs
    full = thermal.shape[::-1]
    to_thermal, to_luma, rest = (
        cv2.resize(share, full) for share in _shares(small_rgb, small_thermal, fused))
    change = np.multiply(to_thermal, thermal, out=to_thermal)
    change += np.multiply(to_luma, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), out=to_luma)
    change += rest
    whole = [message_image(rgb.shape), message_image(thermal.shape), message_image(thermal.shape)]
    cv2.add(rgb, cv2.merge((change,) * 3), dst=whole[0], dtype=cv2.CV_8U)
    cv2.resize(mask, full, dst=whole[1], interpolation=cv2.INTER_NEAREST_EXACT)
    cv2.resize(confidence, full, dst=whole[2])
    return whole


def _shares(rgb: np.ndarray, thermal: np.ndarray,
            fused: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a, b and c, float32 (h, w), of fused - rgb = a thermal + b luma + c, in levels."""
    # All channels change alike; where one is clipped, another one tells more.
    up, down = (cv2.split(cv2.subtract(*both)) for both in ((fused, rgb), (rgb, fused)))
    change = np.maximum.reduce(up) - np.maximum.reduce(down).astype(np.float32)
    heat = thermal.astype(np.float32)
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    means = {'t': _mean(heat), 'l': _mean(luma), 'd': _mean(change)}
    tt = _mean(heat * heat) - means['t'] ** 2 + NOISE
    ll = _mean(luma * luma) - means['l'] ** 2 + NOISE
    tl = _mean(heat * luma) - means['t'] * means['l']
    # Without texture half of either source's is taken.
    td = _mean(heat * change) - means['t'] * means['d'] + NOISE / 2
    ld = _mean(luma * change) - means['l'] * means['d'] - NOISE / 2
    determinant = tt * ll - tl * tl
    a = np.clip((td * ll - ld * tl) / determinant, *SHARES)
    b = np.clip((ld * tt - td * tl) / determinant, SHARES[0] - 1, SHARES[1] - 1)
    return a, b, change - a * heat - b * luma


def _mean(x: np.ndarray) -> np.ndarray:
    return cv2.blur(x, WINDOW)
