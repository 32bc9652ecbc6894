"""Arrivals of a running stream in fixed memory: silence that says something, rate, percentiles."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from bisect import bisect_right
from bisect import insort
from collections import deque
from dataclasses import dataclass
from math import nan

import numpy as np

_INTERVALS = 32
_INTERVALS_NEEDED = 8
_REGULAR = 1.6        # a regular stream has at most one interval in 32 beyond this many usual ones
_MISSED = 2.75        # intervals of silence: two frames were missed, the third will be
_LATE = 1.5           # intervals of silence by which a regular stream is late
_LONG = 3             # of a long interval: a silence that is long even for an irregular stream
_LONG_RANK = 2        # the second longest, so that one outage does not teach patience
_MOST_TIMEOUTS = 10
_RATED = 256
_RATE_WINDOW_NS = 2_000_000_000


class ArrivalStats:
    """
    The arrivals of one stream in fixed memory, in nanoseconds of a monotonic clock.

    `last_ns` is the last arrival, None before the first; silence counts from `since_ns`, the last
    arrival or a later moment at which it was excused. After `lost_ns` the stream is lost:
    `patience_ns` of silence, which is timeout_ns, or more where that is nothing unusual, so that
    neither a slow camera (1.5 intervals) nor a link that drops half of the frames (three of its
    long intervals) is taken for a dead one; at most ten timeouts.
    `gap_ns` is the silence after which a stream that comes regularly misses some frames now; None
    while it does not, and for 32 arrivals after such a silence that ended within timeout_ns, so
    that a link that loses frames is suspected once and not again and again.
    """

    def __init__(self, now_ns: int, timeout_ns: int = 0) -> None:
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._ordered: list[int] = []
        self.last_ns: int | None = None
        self.since_ns = now_ns
        self.set_timeout(timeout_ns)

    def set_timeout(self, timeout_ns: int) -> None:
        """Take another timeout; what is known of the stream stays."""
        self._timeout_ns = self.patience_ns = timeout_ns
        self.gap_ns: int | None = None
        self._learn()
        self.excuse(self.since_ns)

    def arrive(self, now_ns: int) -> None:
        """Take note of an arrival."""
        if self.last_ns is not None and now_ns > self.last_ns:
            if len(self._intervals) == _INTERVALS:
                del self._ordered[bisect_left(self._ordered, self._intervals[0])]
            self._intervals.append(now_ns - self.last_ns)
            insort(self._ordered, now_ns - self.last_ns)
            self._learn()
        self.last_ns = self.since_ns = now_ns
        self.lost_ns = now_ns + self.patience_ns

    def excuse(self, now_ns: int) -> None:
        """Do not hold the silence until now against the stream."""
        self.since_ns, self.lost_ns = now_ns, now_ns + self.patience_ns

    def pause(self, now_ns: int) -> None:
        """Excuse the silence, and do not count the time until the next arrival as an interval."""
        self.last_ns = None
        self.since_ns, self.lost_ns = now_ns, now_ns + self.patience_ns

    def _learn(self) -> None:
        ordered = self._ordered
        if len(ordered) < _LONG_RANK:
            return
        # The lower quartile is one interval even where half of the frames are lost.
        usual, long = ordered[len(ordered) // 4], ordered[-_LONG_RANK]
        regular = len(ordered) >= _INTERVALS_NEEDED and long <= _REGULAR * usual
        silence = int(_LATE * long if regular else _LONG * long)
        self.patience_ns = max(self._timeout_ns, min(silence, _MOST_TIMEOUTS * self._timeout_ns))
        above = bisect_right(ordered, _REGULAR * usual)
        missed = above < len(ordered) and ordered[above] <= self._timeout_ns
        self.gap_ns = int(_MISSED * usual) if regular and not missed else None


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
    then sees the window with or without the newest value.
    """

    def __init__(self, capacity: int = 512) -> None:
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
        p50, p95, p99 = (_quantile(values, share) for share in (0.5, 0.95, 0.99))
        return Percentiles(len(values), p50, p95, p99, values[-1])


def _quantile(ordered: list[float], share: float) -> float:
    """Return the quantile of sorted values, interpolated linearly between two of them."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


class RateMeter:
    """
    Rate of events in Hz from their arrival times within the last two seconds.

    At most 256 arrivals are kept, so a fast stream is measured over less. `last_ns` is the last
    one, None before the first. Call it from one thread.
    """

    def __init__(self) -> None:
        self.last_ns: int | None = None
        self._arrivals: deque[int] = deque(maxlen=_RATED)

    def tick(self, now_ns: int) -> None:
        """Count one event at `now_ns`."""
        self._arrivals.append(now_ns)
        self.last_ns = now_ns

    def rate_hz(self, now_ns: int) -> float:
        """Return the mean rate between first and last event of the window; 0 below two events."""
        while self._arrivals and now_ns - self._arrivals[0] > _RATE_WINDOW_NS:
            self._arrivals.popleft()
        if len(self._arrivals) < 2 or self._arrivals[-1] == self._arrivals[0]:
            return 0.0
        return (len(self._arrivals) - 1) * 1e9 / (self._arrivals[-1] - self._arrivals[0])
