"""Judge the cameras' stamps by the clock of the host: their age, their drift."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from uaafusion_ros.stream.arrival_stats import PercentileWindow
from uaafusion_ros.stream.pairing import STREAMS

_BLOCK_NS = 1_000_000_000
_BLOCKS = 120
_BLOCKS_NEEDED = 30
_DRIFT_PPM = 10.0         # 0.6 ms a minute; cheap crystals differ by up to 100 ppm
_SURE = 4.0               # standard errors
_DRIFT_EVERY = 10         # blocks; the slope over two minutes changes little in one
_AHEAD_MS = 10.0
_OLD_MS = (1e3, 60e3)     # beyond, a recorded stamp meets the clock of today


@dataclass(frozen=True)
class Skew:
    """
    Milliseconds: |thermal - rgb| of recent pairs, and clock - stamp on arrival by camera (p50).

    `drift_ppm` is how much faster the thermal clock runs than the RGB clock, None before
    30 s of both; `advice` says what to set right, or is empty. NaN where nothing has come.
    """

    skew_p50_ms: float
    skew_p95_ms: float
    age_p50_ms: dict[str, float]
    drift_ppm: float | None
    advice: str


class SkewMonitor:
    """
    Measure in fixed memory how two cameras' stamps stand to the clock and to one another.

    Drift is the slope (Theil-Sen, over the last two minutes) of the difference between the
    cameras' ages, of which the least in each second is taken: load delays messages, but does not
    make them early. The phase between the cameras' shutters does not enter. Not thread-safe.

    slop_ns: the largest error of a pair, for the advice; 0 where stamps must be equal.
    """

    def __init__(self, slop_ns: int) -> None:
        self._slop_ns = slop_ns
        self.reset()

    def reset(self) -> None:
        """Start anew after a time jump."""
        self._errors = PercentileWindow()
        self._ages = {camera: PercentileWindow() for camera in STREAMS}
        self._block = -1
        self._least: dict[str, int] = {}
        self._differences: deque[tuple[int, int]] = deque(maxlen=_BLOCKS)
        self._drift: tuple[float | None, float] = (None, 0.0)
        self._blocks_to_drift = _BLOCKS_NEEDED

    def on_frame(self, camera: str, stamp_ns: int, clock_ns: int) -> None:
        """Take note of a frame of 'thermal' or 'rgb' that arrived at clock_ns (ROS time)."""
        age = clock_ns - stamp_ns
        self._ages[camera].add(age / 1e6)
        block = clock_ns // _BLOCK_NS
        if block < self._block:
            self._differences.clear()
            self._drift, self._blocks_to_drift = (None, 0.0), _BLOCKS_NEEDED
        elif block > self._block:
            if len(self._least) == len(STREAMS):
                self._differences.append(
                    (self._block, self._least['rgb'] - self._least['thermal']))
                self._blocks_to_drift -= 1
            self._block, self._least = block, {}
        self._least[camera] = min(age, self._least.get(camera, age))

    def on_pair(self, error_ns: int) -> None:
        """Take note of a pair's error (thermal - rgb after the offset, signed)."""
        self._errors.add(abs(error_ns) / 1e6)

    def summary(self) -> Skew:
        """Return what was measured."""
        errors = self._errors.summary()
        ages = {camera: window.summary().p50 for camera, window in self._ages.items()}
        if self._blocks_to_drift <= 0:
            self._drift, self._blocks_to_drift = self._measured_drift(), _DRIFT_EVERY
        drift, error = self._drift
        return Skew(errors.p50, errors.p95, ages, drift, self._advice(ages, drift, error))

    def _measured_drift(self) -> tuple[float, float]:
        """Return the slope and its standard error in ppm."""
        seconds, values = np.array(self._differences, np.int64).T
        seconds = seconds - seconds[0]
        micros = (values - values[0]) / 1e3
        first, second = np.triu_indices(len(seconds), 1)
        slope = float(np.median(
            (micros[second] - micros[first]) / (seconds[second] - seconds[first])))
        rest = micros - slope * seconds
        spread = 1.4826 * np.median(np.abs(rest - np.median(rest)))
        return slope, float(spread / (np.std(seconds) * np.sqrt(len(seconds))))

    def _advice(self, ages: dict[str, float], drift: float | None, error: float) -> str:
        texts = []
        for camera, age in ages.items():
            if age < -_AHEAD_MS:
                texts.append(
                    f'{camera} stamps lie {-age:.0f} ms ahead of the ROS clock; synchronise the '
                    'clocks (chrony, PTP)')
            elif _OLD_MS[0] < age < _OLD_MS[1]:
                texts.append(
                    f'{camera} images are {age / 1e3:.1f} s old on arrival; look for a slow link, '
                    'a long queue or a clock that is behind')
        if drift is not None and abs(drift) > max(_DRIFT_PPM, _SURE * error):
            fast, slow = STREAMS if drift > 0 else STREAMS[::-1]
            minutes = self._slop_ns / 1e3 / abs(drift) / 60
            apart = (f': in {minutes:.0f} minutes what is paired is sync.slop_ms apart'
                     if self._slop_ns else '')
            texts.append(
                f'the {fast} clock gains {abs(drift):.0f} ppm on the {slow} clock{apart}; '
                'synchronise the clocks (PTP, chrony) or let both drivers stamp with the clock '
                'of one computer')
        return '; '.join(texts)
