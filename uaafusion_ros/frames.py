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
    What one pair became, or one frame whose partner is missing.

    `fused` is uint8 HxWx3 RGB, `mask` uint8 HxW class ids, `confidence` uint8 HxW (255 = certain).
    All lie in the RGB frame's pixel grid; whose stamp they carry is the publisher's choice.
    `mode` says what they were made of: FUSED, RGB_ONLY or THERMAL_ONLY. `overlap` is the rectangle
    around what both cameras see, None where that is everything.
    `timings_ms` maps a stage name to its wall time in milliseconds, in the order they ran.
    """

    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    mode: str = 'FUSED'
    overlap: Roi | None = None
