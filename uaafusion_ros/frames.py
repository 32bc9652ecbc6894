"""The data that modules exchange: a frame, a pair of frames, and the result of fusing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from uaafusion_ros.imaging.registration import Roi


@dataclass(frozen=True)
class Frame:
    """
    One image of one camera, as it came.

    `array` is a (possibly read-only, possibly strided) view of the message's bytes in the
    layout of `encoding` (see `imaging.encodings.view`); `stamp_ns` is the camera's stamp in
    nanoseconds and is never altered. A compressed image is 1xN bytes of its file, and
    `encoding` as `imaging.compressed.Packed` names it.
    """

    array: np.ndarray
    stamp_ns: int
    frame_id: str
    encoding: str


@dataclass(frozen=True)
class FramePair:
    """A thermal and an RGB frame that belong together."""

    thermal: Frame
    rgb: Frame

    @property
    def skew_ns(self) -> int:
        """Thermal stamp minus RGB stamp in nanoseconds, signed."""
        return self.thermal.stamp_ns - self.rgb.stamp_ns


@dataclass(frozen=True)
class FusionResult:
    """
    The result of one pair, or of one frame whose partner is missing, in the RGB pixel grid.

    Attributes:
        fused: uint8 (height, width, 3), in the order red, green, blue.
        mask: uint8 (height, width), class ids.
        confidence: uint8 (height, width), probability of that class; 255 = certain.
        timings_ms: wall time of each stage in milliseconds, in the order they ran.
        mode: what the result was made from: FUSED, RGB_ONLY or THERMAL_ONLY.
        overlap: rectangle around what both cameras see, None where that is everything.
    """

    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    mode: str = 'FUSED'
    overlap: Roi | None = None
