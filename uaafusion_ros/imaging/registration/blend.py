"""Outside the thermal camera's view the RGB image stays as it is."""

from __future__ import annotations

import cv2
import numpy as np

# Wide enough to hide the seam, narrow enough to lose little of the thermal view.
EDGE_PIXELS = 6


def soft_edged(seen: np.ndarray) -> np.ndarray:
    """
    Return weights (uint8 HxW) that rise from 0 to 255 over EDGE_PIXELS inside the area `seen`.

    `seen` is bool HxW. Where it reaches the border of the image there is no seam, so no ramp.
    """
    if seen.all():
        return np.full(seen.shape, 255, np.uint8)
    distance = cv2.distanceTransform(seen.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.ceil(np.minimum(distance / EDGE_PIXELS, 1) * 255).astype(np.uint8)


def pass_through(fused: np.ndarray, rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """
    Return `fused` where the thermal camera sees something and `rgb` elsewhere.

    Images are uint8 HxWx3, `valid` uint8 HxW as in `Registered`; along its ramp the two are mixed
    linearly, and where it is 0 or 255 every value is that of its source.
    """
    weight = cv2.merge((valid, valid, valid))
    return cv2.add(cv2.multiply(fused, weight, scale=1 / 255),
                   cv2.multiply(rgb, cv2.bitwise_not(weight), scale=1 / 255))
