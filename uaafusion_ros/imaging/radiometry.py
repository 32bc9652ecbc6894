"""Counts of a radiometric thermal camera <-> temperatures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ZERO_CELSIUS = 273.15


@dataclass(frozen=True)
class Radiometry:
    """
    In what unit a thermal image's values are told.

    A uint16 image holds counts with kelvin = gain * counts + offset (TLinear output: offset 0,
    gain 0.01 or 0.1 K with FLIR Lepton, 0.04 or 0.4 K with Tau 2, as the camera is set); a float
    image is in `unit` already; uint8 is always counts, as the camera has scaled it. With unit
    'counts' nothing is converted. Accepted values are those of thermal.unit, gain and offset.
    """

    unit: str = 'counts'
    gain: float = 0.01
    offset: float = 0.0

    def unit_of(self, dtype: np.dtype) -> str:
        """Return the unit in which an image's values are told."""
        return 'counts' if dtype == np.uint8 else self.unit

    def told(self, value: float, dtype: np.dtype) -> float:
        """Return an image's value in its unit."""
        if dtype != np.uint16 or self.unit == 'counts':
            return value
        kelvin = self.gain * value + self.offset
        return kelvin - _ZERO_CELSIUS if self.unit == 'celsius' else kelvin

    def temperatures(self, image: np.ndarray, valid: np.ndarray | None) -> np.ndarray | None:
        """
        Return an image in `unit` (float32 HxW), None where its values are counts.

        `valid` (bool HxW) is False where there is no temperature, and NaN is returned.
        """
        if self.unit_of(image.dtype) == 'counts':
            return None
        offset = self.told(0.0, image.dtype)
        gain = self.told(1.0, image.dtype) - offset
        told = image.astype(np.float32) * np.float32(gain) + np.float32(offset)
        if valid is not None:
            told[~valid] = np.nan
        return told

    def held(self, told: float, dtype: np.dtype) -> float:
        """Return what an image holds for a value in its unit; the inverse of `told`."""
        if dtype != np.uint16 or self.unit == 'counts':
            return told
        kelvin = told + _ZERO_CELSIUS if self.unit == 'celsius' else told
        return (kelvin - self.offset) / self.gain
