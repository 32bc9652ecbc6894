"""Percentiles and rates of a running stream in fixed memory."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass
from math import nan

import numpy as np

from uaafusion_ros.errors import ParameterError


@dataclass(frozen=True)
class Percentiles:
    """
    Spread of the values in a window, in the unit they were added in; NaN where it is empty.

    `count` is the number of values in the window.
    """

    count: int
    p50: float
    p95: float
    p99: float
    max: float


class PercentileWindow:
    """
    The last `capacity` values and their percentiles.

    Adding costs one array write; the percentiles are computed when asked for (linear
    interpolation between order statistics). One thread may add while another reads: the reader
    then sees the window with or without the newest value. Raises ParameterError for a capacity
    below 1.
    """

    def __init__(self, capacity: int = 512) -> None:
        if capacity < 1:
            raise ParameterError(f'capacity is {capacity}, accepted is 1 or more: raise it')
        self._values = array('d', [nan]) * capacity
        self._added = 0

    def add(self, value: float) -> None:
        """Take a value, forgetting the oldest when the window is full."""
        self._values[self._added % len(self._values)] = value
        self._added += 1

    def summary(self) -> Percentiles:
        """Return count, p50, p95, p99 and maximum of the window."""
        values = np.sort(np.array(self._values[:self._added])).tolist()
        if not values:
            return Percentiles(0, nan, nan, nan, nan)
        # numpy.percentile spends more on its cases than on so few values.
        return Percentiles(
            len(values), *(_quantile(values, share) for share in (0.5, 0.95, 0.99)), values[-1])


def _quantile(ordered: list[float], share: float) -> float:
    """Return the quantile of sorted values, interpolated linearly between two of them."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


class RateMeter:
    """
    Rate of events in Hz from their arrival times within the last `window_ns`.

    At most `capacity` arrivals are kept, so a fast stream is measured over less than the window.
    `last_ns` is the last one, None before the first.
    An arrival clock that falls back starts anew. Call it from one thread, or take a lock.
    Raises ParameterError for a window below 1 ns or a capacity below 2.
    """

    def __init__(self, window_ns: int = 2_000_000_000, capacity: int = 256) -> None:
        if window_ns < 1:
            raise ParameterError(f'window_ns is {window_ns}, accepted is 1 or more: raise it')
        if capacity < 2:
            raise ParameterError(f'capacity is {capacity}, accepted is 2 or more: raise it')
        self._window_ns = window_ns
        self.last_ns: int | None = None
        self._arrivals: deque[int] = deque(maxlen=capacity)

    def tick(self, now_ns: int) -> None:
        """Count one event at `now_ns`."""
        if self._arrivals and now_ns < self._arrivals[-1]:
            self._arrivals.clear()
        self._arrivals.append(now_ns)
        self.last_ns = now_ns

    def rate_hz(self, now_ns: int) -> float:
        """Return the mean rate between first and last event of the window; 0 below two events."""
        self._forget(now_ns)
        if len(self._arrivals) < 2 or self._arrivals[-1] == self._arrivals[0]:
            return 0.0
        return (len(self._arrivals) - 1) * 1e9 / (self._arrivals[-1] - self._arrivals[0])

    def _forget(self, now_ns: int) -> None:
        if self._arrivals and now_ns < self._arrivals[-1]:
            self._arrivals.clear()
        while self._arrivals and now_ns - self._arrivals[0] > self._window_ns:
            self._arrivals.popleft()
