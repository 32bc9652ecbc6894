"""How regularly something arrives, and from when on its silence says something."""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right
from bisect import insort
from collections import deque

_INTERVALS = 32
_INTERVALS_NEEDED = 8
_REGULAR = 1.6        # a regular stream has at most one interval in 32 beyond this many usual ones
_MISSED = 2.75        # intervals of silence: two frames were missed, the third will be
_LATE = 1.5           # intervals of silence by which a regular stream is late
_LONG = 3             # of a long interval: a silence that is long even for an irregular stream
_LONG_RANK = 2        # the second longest, so that one outage does not teach patience
_MOST_TIMEOUTS = 10


class ArrivalStats:
    """
    The arrivals of one stream in fixed memory, in nanoseconds of a monotonic clock.

    `last_ns` is the last arrival, None before the first; silence counts from `since_ns`, the last
    arrival or a later moment at which it was excused. `patience_ns` is the silence after which
    the stream is lost: timeout_ns, or more where that is nothing unusual, so that neither a
    slow camera (1.5 intervals) nor a link that drops half of the frames (three of its long
    intervals) is taken for a dead one; at most ten timeouts.
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

    def arrive(self, now_ns: int) -> None:
        """Take note of an arrival."""
        if self.last_ns is not None and now_ns > self.last_ns:
            if len(self._intervals) == _INTERVALS:
                del self._ordered[bisect_left(self._ordered, self._intervals[0])]
            self._intervals.append(now_ns - self.last_ns)
            insort(self._ordered, now_ns - self.last_ns)
            self._learn()
        self.last_ns = self.since_ns = now_ns

    def excuse(self, now_ns: int) -> None:
        """Do not hold the silence until now against the stream."""
        self.since_ns = now_ns

    def pause(self, now_ns: int) -> None:
        """Excuse the silence, and do not count the time until the next arrival as an interval."""
        self.last_ns, self.since_ns = None, now_ns

    def lost(self, now_ns: int) -> bool:
        """Return whether the stream has been silent for too long."""
        return now_ns - self.since_ns > self.patience_ns

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
