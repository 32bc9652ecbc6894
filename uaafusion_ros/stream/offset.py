"""The fixed delay between two cameras' stamps, from when things move in their images."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from dataclasses import replace

import numpy as np

from uaafusion_ros.stream.pairing import STREAMS

STEP_MS = 4.0
LONGEST_MS = 500.0

_FEWEST_S = 8.0
_PARTS = 6

# Motion energy must vary by more than this share of its level, and both cameras' must correlate.
_LEAST_VARIATION = 0.1
_CALM_PERCENTILE = 10
_TREND_S = 2.0  # what changes more slowly tells no time
_LEAST_CORRELATION = 0.5
_LARGEST_UNCERTAINTY_MS = 10.0

_WINDOW_NS = 30_000_000_000
_BETWEEN_NS = 2_000_000_000  # two estimates
_AGREE_MS = 10.0             # two estimates in a row, for the delay to be known
_LEAST_STEP_NS = 22_000_000
_SILENCE_NS = 3_000_000_000  # more is no shutter but a camera that has started again
_JUMP_NS = 1_000_000_000     # between the steps of stamps and of arrivals, likewise
_CLOCKS_MS = 300.0           # between the ages on arrival: no delay but clocks that differ


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
    """
    Return the standard deviation of the change between two small gray images (HxW).

    So a change that all pixels share, of exposure or light, is left out, and what moves in a
    small part counts for more than noise everywhere.
    """
    return float((image.astype(np.float32) - before.astype(np.float32)).std())


class Motion:
    """How much moved from image to image of one camera, in its last 30 seconds by stamps."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int, float]] = deque()
        self._before: np.ndarray | None = None
        self._last: tuple[int, int] | None = None

    def add(self, image: np.ndarray, stamp_ns: int, now_ns: int) -> bool:
        """
        Take a small gray image (HxW) that arrived at now_ns; return whether the camera restarted.

        It has where it was silent or its stamps jumped; what came before is forgotten then.
        Repeats of an image and stamps that do not rise say nothing and are left out, as are
        images that come so soon that there is more noise than motion in between.
        """
        restarted, last = False, self._last
        if last is not None:
            step, wait = stamp_ns - last[0], now_ns - last[1]
            restarted = wait > _SILENCE_NS or abs(step - wait) > _JUMP_NS
            if step < _LEAST_STEP_NS and not restarted:
                return False
        self._last = stamp_ns, now_ns
        before = self._before
        if restarted or before is None or before.shape != image.shape:
            self._seen.clear()
            self._seen.append((stamp_ns, now_ns, 0.0))
            self._before = image
            return restarted
        energy = motion_energy(image, before)
        if energy:
            self._seen.append((stamp_ns, now_ns, energy))
            self._before = image
        while self._seen and self._seen[0][0] < stamp_ns - _WINDOW_NS:
            self._seen.popleft()
        return False

    def restart(self) -> None:
        """Forget what was seen, as the other camera restarted."""
        self._seen.clear()
        self._before = None

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return stamps (int64) and energies (float64)."""
        return (np.array([stamp for stamp, _, _ in self._seen], np.int64),
                np.array([energy for _, _, energy in self._seen], float))

    def age_ns(self) -> int:
        """Return the median of arrival minus stamp, 0 where nothing has come."""
        ages = sorted(arrival - stamp for stamp, arrival, _ in self._seen)
        return ages[len(ages) // 2] if ages else 0


class OffsetEstimator:
    """
    Measure the delay while the cameras run: an estimate every two seconds, in fixed memory.

    Clocks that differ (by more than 0.3 s between the ages on arrival) are bridged by the arrival
    times, and the delay is looked for around that. After a restart of a camera all is measured
    anew. Not thread-safe.
    """

    def __init__(self) -> None:
        self._motion = {camera: Motion() for camera in STREAMS}
        self._due_ns: int | None = None
        self.latest = _unsure('waiting for both cameras')

    def add(self, camera: str, image: np.ndarray, stamp_ns: int, now_ns: int) -> Offset | None:
        """
        Take a small gray image of 'thermal' or 'rgb'; return the offset once two estimates agree.

        `now_ns` is the arrival clock. `latest` is the last estimate, agreed or not.
        """
        if self._motion[camera].add(image, stamp_ns, now_ns):
            for other in STREAMS:
                if other != camera:
                    self._motion[other].restart()
            self.latest = _unsure(f'measured anew, as the {camera} camera restarted')
            self._due_ns = None
        if self._due_ns is None:
            self._due_ns = now_ns + _BETWEEN_NS
        if now_ns < self._due_ns:
            return None
        self._due_ns = now_ns + _BETWEEN_NS
        before, self.latest = self.latest, self.estimate()
        agreed = (before.sure and self.latest.sure
                  and abs(self.latest.offset_ms - before.offset_ms) <= _AGREE_MS)
        return self.latest if agreed else None

    def estimate(self) -> Offset:
        """Return what the images so far tell."""
        thermal, rgb = (self._motion[camera] for camera in STREAMS)
        clocks_ms = (thermal.age_ns() - rgb.age_ns()) / 1e6
        if abs(clocks_ms) < _CLOCKS_MS:
            clocks_ms = 0.0
        stamps, energies = thermal.arrays()
        found = estimate(stamps + round(clocks_ms * 1e6), energies, *rgb.arrays())
        if not clocks_ms:
            return found
        return replace(
            found, offset_ms=found.offset_ms + clocks_ms,
            reason=f'{found.reason}; the thermal clock is {abs(clocks_ms) / 1e3:.1f} s '
                   f'{"behind" if clocks_ms > 0 else "ahead"}, synchronise the clocks')


def estimate(thermal_ns: np.ndarray, thermal_energy: np.ndarray, rgb_ns: np.ndarray,
             rgb_energy: np.ndarray) -> Offset:
    """
    Return the offset under which the motion energies of both cameras agree best.

    Stamps are int64 nanoseconds, rising; an energy is that of the change since the frame before,
    so the first of each camera is not used. Energies become rates on a common clock, so that
    cameras of different frame rates compare, and the peak of their correlation is refined by a
    parabola. Looked for is up to LONGEST_MS in either direction.
    """
    streams = [(np.asarray(stamps, np.int64), np.asarray(energy, float)[1:])
               for stamps, energy in ((thermal_ns, thermal_energy), (rgb_ns, rgb_energy))]
    if any(len(energy) < 2 for _, energy in streams):
        return _unsure('too few images that differ')
    origin = max(stamps[0] for stamps, _ in streams)
    seconds = (min(stamps[-1] for stamps, _ in streams) - origin) / 1e9
    if seconds < _FEWEST_S:
        return _unsure(f'{max(seconds, 0):.0f} s of both cameras are too few; '
                       f'{_FEWEST_S:.0f} are needed')
    if any(energy.std() < _LEAST_VARIATION * energy.mean() for _, energy in streams):
        return _unsure('nothing moves, or everything evenly')
    clock = np.arange(_TREND_S / 2, seconds - _TREND_S / 2, STEP_MS / 1e3)
    interval = max(float(np.median(np.diff(stamps))) for stamps, _ in streams) / 1e9
    thermal, rgb = (_rates((stamps - origin) / 1e9, energy, clock, interval)
                    for stamps, energy in streams)
    reach = int(LONGEST_MS / STEP_MS)
    sums = _sums(thermal, rgb, reach)
    whole = sums.sum(axis=0)
    height, offset = _peak(whole, reach)
    if height < _LEAST_CORRELATION or not np.isfinite(offset):
        return _unsure(f'motion in both cameras does not agree (correlation {height:.2f})')
    # Jackknife: how far the peak moves when a part of the time is left out.
    without = np.array([_peak(whole - part, reach)[1] for part in sums])
    error = float(np.sqrt((_PARTS - 1) * np.mean((without - without.mean())**2)))
    if not error <= _LARGEST_UNCERTAINTY_MS:
        return _unsure('what moved does not tell the delay well enough')
    return Offset(offset, error, True, f'motion in both cameras agrees ({height:.2f})')


def _rates(times: np.ndarray, energy: np.ndarray, clock: np.ndarray,
           interval: float) -> np.ndarray:
    """Return how much more moves around each time of a clock (s) than in the seconds about it."""
    # Noise adds to the square; the root keeps one strong movement from outweighing all others.
    calm = np.percentile(energy, _CALM_PERCENTILE)
    moved = np.maximum(energy**2 - calm**2, 0)**0.25
    # A difference covers the interval before its stamp: integrate, then look up.
    total = np.concatenate([[0.0], np.cumsum(moved)])
    near, about = ((np.interp(clock + width / 2, times, total)
                    - np.interp(clock - width / 2, times, total)) / width
                   for width in (interval, _TREND_S))
    return near - about


def _sums(thermal: np.ndarray, rgb: np.ndarray, reach: int) -> np.ndarray:
    """Return what a correlation is made of, for each part of the time: PARTSx6xLAGS."""
    lags = 2 * reach + 1
    bounds = np.linspace(reach, len(rgb) - reach, _PARTS + 1).astype(int)
    thermal, rgb = thermal - thermal.mean(), rgb - rgb.mean()
    sums = []
    for start, stop in zip(bounds, bounds[1:]):
        fixed, area = rgb[start:stop], thermal[start - reach:stop + reach]
        count = stop - start
        total, squares = (np.concatenate([[0.0], np.cumsum(values)]) for values in (area, area**2))
        sums.append([np.full(lags, count), np.correlate(area, fixed, 'valid'),
                     total[count:] - total[:-count], squares[count:] - squares[:-count],
                     np.full(lags, fixed.sum()), np.full(lags, (fixed**2).sum())])
    return np.array(sums)


def _peak(sums: np.ndarray, reach: int) -> tuple[float, float]:
    """Return the largest correlation and the offset in ms; NaN at the end of what is tried."""
    count, product, x, xx, y, yy = sums
    surface = (product - x * y / count) / np.sqrt(
        np.maximum((xx - x**2 / count) * (yy - y**2 / count), 1e-12))
    at = int(surface.argmax())
    if not 0 < at < len(surface) - 1:
        return float(surface[at]), np.nan
    left, top, right = surface[at - 1:at + 2]
    bend = left - 2 * top + right
    vertex = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(top), float((reach - at - vertex) * STEP_MS)


def _unsure(reason: str) -> Offset:
    return Offset(np.nan, np.nan, False, reason)
