"""How regularly something comes, and from when on its silence says something."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

_INTERVALS = 32
_INTERVALS_NEEDED = 8
_REGULAR = 1.6        # a regular beat has at most one interval in 32 beyond this many usual ones
_MISSED = 2.75        # beats of silence: two were missed, the third will be
_LATE = 1.5           # beats of silence by which a regular stream is late
_LONG = 3             # of a long interval: a silence that is long even for an irregular stream
_LONG_RANK = 2        # the second longest, so that one outage does not teach patience
_MOST_TIMEOUTS = 10


class Rhythm:
    """
    The arrivals of one stream in fixed memory, in nanoseconds of a monotonic clock.

    `heard_ns` is the last arrival, None before the first. `patience_ns` is the silence after
    which the stream is lost: timeout_ns, or more where that is nothing unusual, so that neither a
    slow camera (1.5 intervals) nor a link that drops half of the frames (three of its long
    intervals) is taken for a dead one; at most ten timeouts.
    `gap_ns` is the silence after which a stream that comes regularly misses some beats now; None
    while it does not, and for 32 arrivals after such a silence that ended within timeout_ns, so
    that a link that loses frames is suspected once and not again and again.
    """

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self.heard_ns: int | None = None
        self.patience_ns = timeout_ns
        self.gap_ns: int | None = None

    def tick(self, now_ns: int) -> None:
        """Take note of an arrival."""
        if self.heard_ns is not None and now_ns > self.heard_ns:
            self._intervals.append(now_ns - self.heard_ns)
            self._learn()
        self.heard_ns = now_ns

    def pause(self) -> None:
        """Do not count the time until the next arrival as an interval."""
        self.heard_ns = None

    def silence_ns(self, now_ns: int, since_ns: int) -> int:
        """Return the time since the last arrival, or since `since_ns` if that was later."""
        return now_ns - max(since_ns, since_ns if self.heard_ns is None else self.heard_ns)

    def _learn(self) -> None:
        ordered = sorted(self._intervals)
        if len(ordered) < _LONG_RANK:
            return
        # The lower quartile is one beat even where half of the frames are lost.
        beat, long = ordered[len(ordered) // 4], ordered[-_LONG_RANK]
        regular = len(ordered) >= _INTERVALS_NEEDED and long <= _REGULAR * beat
        usual = int(_LATE * long if regular else _LONG * long)
        self.patience_ns = max(self._timeout_ns, min(usual, _MOST_TIMEOUTS * self._timeout_ns))
        above = bisect_right(ordered, _REGULAR * beat)
        missed = above < len(ordered) and ordered[above] <= self._timeout_ns
        self.gap_ns = int(_MISSED * beat) if regular and not missed else None
