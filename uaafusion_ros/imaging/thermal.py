"""Thermal counts -> 8 bits: a range of counts is measured or given, and stretched to 0..255."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import cv2
import numpy as np

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import ParameterError

MODES = ('percentile', 'fixed')
POLARITIES = ('white_hot', 'black_hot')

_SAMPLES = 20_000
_LARGEST = 1e30


@dataclass(frozen=True)
class ScaledThermal:
    """
    One thermal image in 8 bits, and what was done to it.

    `image` is uint8 HxW, hot is bright. `low` and `high` are the counts that became the ends of
    its range. `invalid` is the share (0..1) of pixels that were NaN, infinite or beyond +-1e30.
    """

    image: np.ndarray
    low: float
    high: float
    invalid: float


@dataclass(frozen=True)
class ThermalScaling:
    """
    How counts become 8 bits.

    In mode 'percentile' the range runs between the percentiles `low` and `high` (0..100) of each
    image, moved from image to image by an exponential mean: `smoothing` (0..1, 0 = none) is the
    share that the range before keeps. In mode 'fixed' `low` and `high` are counts (or the unit
    of a float image). `polarity` says how the camera shows hot things. Raises ParameterError.
    """

    mode: str = 'percentile'
    low: float = 0.5
    high: float = 99.5
    smoothing: float = 0.9
    polarity: str = 'white_hot'

    def __post_init__(self) -> None:
        for name, value, accepted in (
                ('mode', self.mode, MODES), ('polarity', self.polarity, POLARITIES)):
            if value not in accepted:
                raise ParameterError(f'{name} is {value!r}; accepted are {", ".join(accepted)}')
        bottom, top = (0.0, 100.0) if self.mode == 'percentile' else (-_LARGEST, _LARGEST)
        if not bottom <= self.low < self.high <= top:
            raise ParameterError(
                f'low is {self.low} and high {self.high}; in mode {self.mode} they must ascend '
                f'within {bottom:g} to {top:g}')
        if not 0.0 <= self.smoothing < 1.0:
            raise ParameterError(
                f'smoothing is {self.smoothing}; accepted is 0 (none) up to, not including, 1')


class ThermalScaler:
    """
    Scale the images of one thermal stream, remembering the range from image to image.

    Not to be shared between threads.
    """

    def __init__(self, scaling: ThermalScaling = ThermalScaling()) -> None:
        self._scaling = scaling
        self._limits: tuple[float, float] | None = None
        self._dtype: np.dtype | None = None

    def scale(self, thermal: np.ndarray) -> ScaledThermal:
        """
        Return a uint8, uint16 or float32 image (HxW, native byte order) in 8 bits.

        uint8 has been scaled by the camera: it passes through untouched (black-hot is inverted).
        Invalid pixels of a float image take the low end. An image of one value becomes 0. A
        range that shares nothing with the one before (another gain mode, another
        scene) is taken at once. Raises EncodingError for another dtype or shape.
        """
        if thermal.ndim != 2 or thermal.dtype not in (np.uint8, np.uint16, np.float32):
            raise EncodingError(
                f'a thermal image of {thermal.dtype} {thermal.shape} cannot be scaled; '
                'accepted is HxW of uint8, uint16 or float32 in native byte order')
        if thermal.dtype == np.uint8:
            return ScaledThermal(self._white_hot(thermal), 0.0, 255.0, 0.0)
        valid = _valid(thermal)
        low, high = self._next_limits(thermal, valid)
        invalid = 0.0
        if valid is not None:
            invalid = 1.0 - np.count_nonzero(valid) / thermal.size
            thermal = np.where(valid, thermal, np.float32(low))
        image = self._white_hot(stretch(thermal, low, high))
        if invalid:
            image[~valid] = 0
        return ScaledThermal(image, low, high, invalid)

    def _next_limits(self, thermal: np.ndarray, valid: np.ndarray | None) -> tuple[float, float]:
        scaling = self._scaling
        if scaling.mode == 'fixed':
            return scaling.low, scaling.high
        before = self._limits if thermal.dtype == self._dtype else None
        now = percentiles(thermal, valid, scaling.low, scaling.high)
        if now is None:
            return before or (0.0, 0.0)
        if before and now[0] <= before[1] and before[0] <= now[1]:
            keep = scaling.smoothing
            now = tuple(keep * old + (1.0 - keep) * new for old, new in zip(before, now))
        self._limits, self._dtype = now, thermal.dtype
        return now

    def _white_hot(self, image: np.ndarray) -> np.ndarray:
        return image if self._scaling.polarity == 'white_hot' else cv2.bitwise_not(image)


def percentiles(thermal: np.ndarray, valid: np.ndarray | None, low: float,
                high: float) -> tuple[float, float] | None:
    """
    Return the counts below which `low` and `high` percent of an image lie, or None without any.

    About 20,000 pixels on a regular grid are looked at; `valid` (bool HxW, None = all) says
    which of them count.
    """
    # An odd pitch visits even and odd columns alike, which many sensors read out differently.
    pitch = isqrt(thermal.size // _SAMPLES) | 1
    samples = thermal[::pitch, ::pitch]
    samples = samples.ravel() if valid is None else samples[valid[::pitch, ::pitch]]
    if not samples.size:
        return None
    places = [round(percent / 100 * (samples.size - 1)) for percent in (low, high)]
    ordered = np.partition(samples, places)
    return float(ordered[places[0]]), float(ordered[places[1]])


def stretch(thermal: np.ndarray, low: float, high: float) -> np.ndarray:
    """
    Map `low`..`high` to 0..255 linearly, rounded, with everything beyond at the ends.

    `thermal` is uint16 or float32 without NaN; the result is uint8 of its shape, all 0 where the
    range is empty. For uint16 the ends are rounded to whole counts.
    """
    if thermal.dtype == np.uint16:
        low, high = (min(max(round(end), 0), 65535) for end in (low, high))
    span = high - low
    if span <= 1e-30 + 1e-6 * max(abs(low), abs(high)):  # below what float32 can tell apart
        return np.zeros(thermal.shape, np.uint8)
    raised = np.clip(thermal, low, high)
    np.subtract(raised, thermal.dtype.type(low), out=raised)
    return cv2.convertScaleAbs(raised, alpha=255 / span)


def _valid(thermal: np.ndarray) -> np.ndarray | None:
    if thermal.dtype != np.float32:
        return None
    valid = np.abs(thermal) < _LARGEST  # false for NaN too
    return None if valid.all() else valid
