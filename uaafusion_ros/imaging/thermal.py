"""Thermal counts -> 8 bits: a range is measured or given, and stretched to 0..255."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import exp
from math import isqrt

import cv2
import numpy as np

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging import dead_lines
from uaafusion_ros.imaging.radiometry import Radiometry
from uaafusion_ros.settings import ThermalSettings

_SAMPLES = 10_000
_LARGEST = 1e30
_FULL = {'u1': (0, 255), 'u2': (0, 2**14 - 1, 2**16 - 1)}  # most 16-bit cameras have 14 bits
_TILES = (8, 8)
_CUT = 0.25           # of the span; both ends moving by more at once are another scene
_LONGEST_NS = 10**10  # a step in time beyond this is a jump


@dataclass(frozen=True)
class ThermalFacts:
    """
    What was measured on one thermal image, and what was done to it.

    `low` and `high` became the ends of the 8-bit range; `coldest` and `hottest` are the extremes
    of all valid pixels; all four in `unit` ('counts', 'celsius' or 'kelvin'). Shares are 0..1:
    `invalid` of pixels that were NaN, infinite or beyond +-1e30, `saturated` of pixels at the
    ends of 8, 14 or 16 bits, `clipped` of pixels beyond low..high; the latter two are taken from
    a regular sample. `dead_rows` and `dead_columns` were filled from their neighbours.
    """

    unit: str
    low: float
    high: float
    coldest: float
    hottest: float
    invalid: float
    saturated: float
    clipped: float
    dead_rows: int
    dead_columns: int

    @property
    def advice(self) -> str:
        """What to look into, or nothing."""
        texts = []
        if self.invalid > 0.01:
            texts.append(f'{self.invalid:.0%} of the thermal pixels are NaN or infinite')
        if self.saturated > 0.05:
            texts.append(f'{self.saturated:.0%} of the thermal pixels are saturated; '
                         "check the camera's gain mode")
        if self.clipped > 0.3:
            texts.append(f'{self.clipped:.0%} of the thermal pixels lie outside {self.low:.6g} to '
                         f'{self.high:.6g} {self.unit}; set thermal.range to what the scene holds '
                         f'({self.coldest:.6g} to {self.hottest:.6g})')
        if self.dead_rows or self.dead_columns:
            texts.append(f'the thermal sensor has {self.dead_rows} dead rows and '
                         f'{self.dead_columns} dead columns')
        return '; '.join(texts)


@dataclass(frozen=True)
class ScaledThermal:
    """
    One thermal image in 8 bits (uint8 HxW, hot is bright); `measure` returns its facts.

    `temperatures` returns float32 HxW in `unit`, NaN where a pixel is invalid, dead lines filled;
    None where the values are counts.
    """

    image: np.ndarray
    measure: Callable[[], ThermalFacts]
    temperatures: Callable[[], np.ndarray | None]
    unit: str

    @property
    def facts(self) -> ThermalFacts:
        """What was measured; computed when asked for, as few of the images are asked about."""
        return self.measure()


class ThermalScaler:
    """
    Scale the images of one thermal stream, remembering the range from image to image.

    With scaling 'percentile' the range runs between two percentiles of each image, following them
    with the time constant `smoothing_s` in seconds of stamp time. 'clahe' equalises the result of
    that locally: contrast-limited, in 8 x 8 tiles (K. Zuiderveld, Graphics Gems IV, 1994); it does
    so with 8-bit images, too. With 'fixed' the range is given in `unit`. Not to be shared between
    threads.
    """

    def __init__(self, settings: ThermalSettings = ThermalSettings()) -> None:
        self._settings = settings
        self._radiometry = Radiometry(settings.unit, settings.gain, settings.offset)
        self._limits: tuple[float, float] | None = None
        self._stamp_ns: int | None = None
        self._kind: tuple | None = None
        self._dead_lines = dead_lines.DeadLines()
        self._clahe = cv2.createCLAHE(settings.clahe_clip, _TILES)

    def scale(self, thermal: np.ndarray, stamp_ns: int | None = None) -> ScaledThermal:
        """
        Return a uint8, uint16 or float32 image (HxW, native byte order) in 8 bits.

        uint8 has been scaled by the camera: it passes untouched, but for dead lines, polarity
        and CLAHE. Invalid pixels of a float image take the low end. An image of one value
        becomes 0. The range before counts the less the longer ago its `stamp_ns` was; without a
        stamp an image is measured for itself. It is forgotten where stamps jump, and where both
        its ends move the same way by a quarter of the span: another gain mode, a cut, a
        shutter that has moved the level. Dead lines are looked for four times a second of
        stamps, and in each image without a stamp. Raises EncodingError for another dtype or shape.
        """
        if thermal.ndim != 2 or thermal.dtype not in (np.uint8, np.uint16, np.float32):
            raise EncodingError(
                f'a thermal image of {thermal.dtype} {thermal.shape} cannot be scaled; '
                'accepted is HxW of uint8, uint16 or float32 in native byte order')
        valid = _valid(thermal)
        invalid = 0.0
        if valid is not None:
            invalid = 1.0 - np.count_nonzero(valid) / thermal.size
            thermal = np.where(valid, thermal, np.float32(0.0))
        dead = self._dead_lines.of(thermal, stamp_ns)
        if any(len(lines) for lines in dead):
            thermal, valid = _filled(thermal, valid, dead)
        samples = _samples(thermal, valid)
        low, high = self._next_limits(thermal, samples, stamp_ns)
        if thermal.dtype == np.uint8:
            image = thermal
        else:
            if valid is not None:
                np.copyto(thermal, low, where=~valid)
            image = stretch(thermal, low, high)
        if self._settings.scaling == 'clahe':
            image = self._clahe.apply(np.ascontiguousarray(image))
        if self._settings.polarity == 'black_hot':
            image = cv2.bitwise_not(image)
        if valid is not None:
            image[~valid] = 0
        return ScaledThermal(image, partial(
            self._facts, thermal, valid, samples, (low, high), invalid,
            (len(dead[0]), len(dead[1]))),
            partial(self._radiometry.temperatures, thermal, valid),
            self._radiometry.unit_of(thermal.dtype))

    def _next_limits(self, thermal: np.ndarray, samples: np.ndarray,
                     stamp_ns: int | None) -> tuple[float, float]:
        settings = self._settings
        if thermal.dtype == np.uint8:
            return 0.0, 255.0
        if settings.scaling == 'fixed':
            low, high = settings.range
            held = self._radiometry.held
            return held(low, thermal.dtype), held(high, thermal.dtype)
        kind = thermal.dtype, thermal.shape
        before, step = self._limits, -1
        if stamp_ns is not None and self._stamp_ns is not None and kind == self._kind:
            step = stamp_ns - self._stamp_ns
        self._stamp_ns, self._kind = stamp_ns, kind
        now = percentiles(samples, *settings.percentiles)
        if not 0 <= step < _LONGEST_NS:
            before = None
        if now is None:
            return before or (0.0, 0.0)
        if before and settings.smoothing_s and not _is_cut(before, now):
            keep = exp(-step / 1e9 / settings.smoothing_s)
            now = (keep * before[0] + (1.0 - keep) * now[0],
                   keep * before[1] + (1.0 - keep) * now[1])
        self._limits = now
        return now

    def _facts(self, thermal: np.ndarray, valid: np.ndarray | None, samples: np.ndarray,
               limits: tuple[float, float], invalid: float,
               dead: tuple[int, int]) -> ThermalFacts:
        values = *limits, *_extremes(thermal, valid)
        dtype, radiometry = samples.dtype, self._radiometry
        size = max(samples.size, 1)
        full = sum(np.count_nonzero(samples == code) for code in _FULL.get(dtype.str[1:], ()))
        beyond = np.count_nonzero(samples < values[0]) + np.count_nonzero(samples > values[1])
        low, high, coldest, hottest = (radiometry.told(value, dtype) for value in values)
        return ThermalFacts(
            radiometry.unit_of(dtype), low, high, coldest, hottest, invalid,
            full / size, beyond / size, *dead)


def percentiles(samples: np.ndarray, low: float, high: float) -> tuple[float, float] | None:
    """Return the values below which `low` and `high` percent of samples lie, None without any."""
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
    counts = thermal.dtype == np.uint16
    if counts:
        low, high = (min(max(round(end), 0), 65535) for end in (low, high))
    span = high - low
    if span <= 1e-30 + 1e-6 * max(abs(low), abs(high)):  # below what float32 can tell apart
        return np.zeros(thermal.shape, np.uint8)
    if counts:  # whose ends OpenCV's saturation clips; of one column it would make a scalar
        raised = cv2.subtract(thermal.reshape(1, -1), (low, 0, 0, 0))
    else:
        raised = np.clip(thermal, low, high)
        np.subtract(raised, np.float32(low), out=raised)
    return cv2.convertScaleAbs(raised, alpha=255 / span).reshape(thermal.shape)


def _valid(thermal: np.ndarray) -> np.ndarray | None:
    if thermal.dtype != np.float32:
        return None
    valid = np.abs(thermal) < _LARGEST  # false for NaN too
    return None if valid.all() else valid


def _extremes(thermal: np.ndarray, valid: np.ndarray | None) -> tuple[float, float]:
    if valid is None:
        return float(thermal.min()), float(thermal.max())
    if not valid.any():
        return float('nan'), float('nan')
    return (float(thermal.min(where=valid, initial=np.inf)),
            float(thermal.max(where=valid, initial=-np.inf)))


def _samples(thermal: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """Return about 10,000 valid pixels on a regular grid."""
    # An odd pitch visits even and odd columns alike, which many sensors read out differently.
    pitch = isqrt(thermal.size // _SAMPLES) | 1
    samples = thermal[::pitch, ::pitch]
    return samples.ravel() if valid is None else samples[valid[::pitch, ::pitch]]


def _filled(
    thermal: np.ndarray, valid: np.ndarray | None, dead: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return copies of an image and its valid pixels with dead lines filled."""
    thermal = thermal.copy()
    for axis, lines in enumerate(dead):
        dead_lines.fill(thermal, axis, lines)
    if valid is not None:
        valid = valid.copy()
        valid[dead[0]] = True
        valid[:, dead[1]] = True
    return thermal, valid


def _is_cut(before: tuple[float, float], now: tuple[float, float]) -> bool:
    steps = [new - old for new, old in zip(now, before)]
    least = _CUT * max(before[1] - before[0], now[1] - now[0])
    return steps[0] * steps[1] > 0 and min(abs(step) for step in steps) > least
