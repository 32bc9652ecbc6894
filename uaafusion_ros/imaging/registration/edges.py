"""What a thermal and an RGB image of one scene have in common: where edges run, not their sign."""

from __future__ import annotations

import cv2
import numpy as np

# An edge counts in proportion to what it stands out from: the mean edge within this window, and
# a floor (of Sobel responses, eight per grey level and pixel) that noise does not reach.
_NEIGHBOURHOOD = 25
_NEIGHBOURS = 3.0
_FLOOR = 16.0


def directions(image: np.ndarray, mask: np.ndarray | None = None, *,
               sigma: float = 2.0) -> np.ndarray:
    """
    Return the edges of an image (HxW uint8) as vectors: float32 HxWx2, length 0 to 1.

    The vector of an edge has twice its angle, so that an edge from dark to bright and one from
    bright to dark are equal: warm things may be bright or dark in the RGB image. Where `mask`
    (uint8 HxW) is 0 the vectors are 0; `sigma` is the smoothing before derivatives in pixels.

    The sum of the products of two images' vectors says how much their edges agree in place and
    direction. The idea is that of the channels of C. Ye et al., "Fast and robust matching for
    multimodal remote sensing image registration", IEEE TGRS 57(11), 2019; the double angle keeps
    the lowest order of them.
    """
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    xx, yy = x * x, y * y
    power = xx + yy
    strength = cv2.sqrt(power)
    around = cv2.blur(strength, (_NEIGHBOURHOOD, _NEIGHBOURHOOD))
    weight = strength / ((strength + _NEIGHBOURS * around + _FLOOR) * (power + 1e-6))
    vectors = cv2.merge(((xx - yy) * weight, 2 * x * y * weight))
    if mask is not None:
        vectors[mask == 0] = 0
    return vectors
