"""The fixed delay between two cameras' stamps, from when things move in their images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP_MS = 2.0
LONGEST_MS = 500.0

_FEWEST_S = 8.0
_PARTS = 6

# Motion energy must vary by more than this share of its level, and both cameras' must correlate.
_LEAST_VARIATION = 0.1
_LEAST_CORRELATION = 0.5
_LARGEST_UNCERTAINTY_MS = 10.0


@dataclass(frozen=True)
class Offset:
    """
    What is to be added to thermal stamps, in milliseconds, and its standard error.

    NaN where nothing was found; `sure` says whether it is to be used, `reason` why or why not.
    """

    offset_ms: float
    uncertainty_ms: float
    sure: bool
    reason: str


def motion_energy(image: np.ndarray, before: np.ndarray) -> float:
    """Return the mean absolute change between two small gray images (HxW uint8 or float)."""
    return float(np.abs(image.astype(np.float32) - before.astype(np.float32)).mean())


def estimate(thermal_ns: np.ndarray, thermal_energy: np.ndarray, rgb_ns: np.ndarray,
             rgb_energy: np.ndarray) -> Offset:
    """
    Return the offset under which the motion energies of both cameras agree best.

    Stamps are int64 nanoseconds, rising; an energy is that of the change since the frame before,
    so the first of each camera is not used. Energies become rates on a common clock, so that
    cameras of different frame rates compare, and the peak of their correlation is refined by a
    parabola. The uncertainty comes from the spread over parts of the time. Looked for is up to
    LONGEST_MS in either direction.
    """
    streams = [(np.asarray(stamps, np.int64), np.asarray(energy, float))
               for stamps, energy in ((thermal_ns, thermal_energy), (rgb_ns, rgb_energy))]
    if any(len(stamps) < 3 for stamps, _ in streams):
        return _unsure('too few images')
    origin = max(stamps[0] for stamps, _ in streams)
    seconds = (min(stamps[-1] for stamps, _ in streams) - origin) / 1e9
    if seconds < _FEWEST_S:
        return _unsure(f'{max(seconds, 0):.0f} s of both cameras are too few; '
                       f'{_FEWEST_S:.0f} are needed')
    margin = LONGEST_MS / 1e3
    clock = np.arange(-margin, seconds + margin, STEP_MS / 1e3)
    interval = max(float(np.median(np.diff(stamps))) for stamps, _ in streams) / 1e9
    rates: list[np.ndarray] = []
    for stamps, energy in streams:
        times = (stamps - origin) / 1e9
        # A difference covers the interval before its stamp: integrate, then look up.
        total = np.concatenate([[0], np.cumsum(energy[1:])])
        rates.append((np.interp(clock + interval / 2, times, total)
                      - np.interp(clock - interval / 2, times, total)) / interval)
    thermal, rgb = rates
    return _judged(thermal, rgb, int(margin / (STEP_MS / 1e3)))


def _judged(thermal: np.ndarray, rgb: np.ndarray, reach: int) -> Offset:
    inner = slice(reach, len(rgb) - reach)
    if min(rate[inner].std() / max(rate[inner].mean(), 1e-9)
           for rate in (thermal, rgb)) < _LEAST_VARIATION:
        return _unsure('nothing moves, or everything evenly')
    height, offset = _peak(thermal, rgb, inner, reach)
    if height < _LEAST_CORRELATION or not np.isfinite(offset):
        return _unsure(f'motion in both cameras does not agree (correlation {height:.2f})')
    bounds = np.linspace(inner.start, inner.stop, _PARTS + 1).astype(int)
    found = np.array([_peak(thermal, rgb, slice(a, b), reach)[1]
                      for a, b in zip(bounds, bounds[1:])])
    # Median deviation, as a part without motion says nothing.
    deviation = np.nanmedian(np.abs(found - offset)) if np.isfinite(found).any() else np.inf
    error = float(1.4826 * deviation / np.sqrt(_PARTS))
    if error > _LARGEST_UNCERTAINTY_MS:
        return Offset(offset, error, False, f'parts of the time differ ({error:.0f} ms)')
    return Offset(offset, error, True, f'motion in both cameras agrees ({height:.2f})')


def _peak(thermal: np.ndarray, rgb: np.ndarray, window: slice, reach: int) -> tuple[float, float]:
    """Return the largest correlation and the offset in ms; NaN at the end of what is tried."""
    fixed = rgb[window] - rgb[window].mean()
    count = len(fixed)
    area = thermal[window.start - reach:window.stop + reach]
    sums, squares = (np.concatenate([[0], np.cumsum(values)]) for values in (area, area**2))
    mean = (sums[count:] - sums[:-count]) / count
    spread = np.sqrt(np.maximum((squares[count:] - squares[:-count]) / count - mean**2, 1e-12))
    surface = np.correlate(area, fixed, 'valid') / (count * spread * max(fixed.std(), 1e-6))
    at = int(surface.argmax())
    if not 0 < at < len(surface) - 1:
        return float(surface[at]), np.nan
    left, top, right = surface[at - 1:at + 2]
    bend = left - 2 * top + right
    vertex = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(top), float((reach - at - vertex) * STEP_MS)


def _unsure(reason: str) -> Offset:
    return Offset(np.nan, np.nan, False, reason)
