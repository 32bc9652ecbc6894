"""
One camera's waiting frames in order of time, and what is known of its time.

A stamp continues the camera's pass, is an outlier, or begins a new pass (a looped bag, a clock
that was set). A single stamp more than a second (and four periods) off is held aside; it is a
time jump if the camera's next frame, or the other camera, is there too, else an outlier. Loops
shorter than that are known by five rising stamps behind the newest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from enum import Enum
from statistics import median_low
from typing import Callable
from typing import NamedTuple

_JUMP_NS = 1_000_000_000  # a step beyond this (and four periods) is an outlier or a time jump
_RUN_BACK = 5             # so many rising stamps in a row behind the newest are a new pass
_INTERVALS = 32
_INTERVALS_NEEDED = 8
_LEAST_NS = 8_000_000     # taken to be the least interval before one has been seen
_REMEMBERED = 64          # stamps by which a repeated one is known


class Drop(str, Enum):
    """Why a frame was given up."""

    NO_PARTNER = 'no_partner'  # nothing within the slop came in time, or it suited another better
    STALE = 'stale'            # came after a newer pair had left, or was held too long
    DUPLICATE = 'duplicate'    # a stamp that this camera has sent before
    ZERO_STAMP = 'zero_stamp'  # the driver did not fill the stamp
    FUTURE = 'future'          # ahead of the clock that the cameras should stamp with
    OUTLIER = 'outlier'        # one stamp far from those before and after it
    QUEUE_FULL = 'queue_full'  # more frames waiting than queue_size
    TIME_JUMP = 'time_jump'    # was waiting when the time of its camera, or the clock, jumped
    RESET = 'reset'            # was waiting when pairing was stopped or set up anew


class Waiting(NamedTuple):
    """A frame with the stamp it is matched by (the camera's plus its offset) and its arrival."""

    stamp_ns: int
    payload: object
    arrival_ns: int


class Timeline:
    """
    The waiting frames of one camera and its counters.

    `stamps` and `frames` run in parallel, sorted. `received` is counted by the owner, and
    received == handed out + sum(dropped) + pending. `newest` is the latest stamp of the pass,
    `closed` the stamp of the last frame handed out, `suspect` a frame held aside.
    """

    def __init__(self, name: str, offset_ns: int) -> None:
        self.name = name
        self.offset_ns = offset_ns
        self.received = 0
        self.dropped = dict.fromkeys(Drop, 0)
        self.dropped_total = 0
        self.stamps: list[int] = []
        self.frames: list[Waiting] = []
        self.suspect: Waiting | None = None
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._shortest_ns = 0
        self.restart()

    def restart(self) -> None:
        """Forget where in time the camera was; its rate is kept."""
        self.newest: int | None = None
        self.closed: int | None = None
        self._newest_arrival = 0
        self._last: int | None = None
        self._run_back = 0
        self._remembered: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def pending(self) -> int:
        """Frames waiting, a suspect included."""
        return len(self.stamps) + (self.suspect is not None)

    @property
    def period_ns(self) -> int | None:
        """Median of the recent intervals; None before eight are known."""
        known = len(self._intervals) >= _INTERVALS_NEEDED
        return median_low(self._intervals) if known else None

    @property
    def next_ns(self) -> int:
        """The camera's next stamp is taken to be later than this; needs a newest one."""
        return self.newest + (self._shortest_ns // 2 if self._intervals else _LEAST_NS)

    @property
    def expected_ns(self) -> int:
        """The camera's next stamp is expected at this or later; needs a newest one."""
        return self.newest + self._shortest_ns

    def foreseen(self, count: int) -> list[int]:
        """Return the waiting stamps, and the next `count` to come where the rate is known."""
        period = self.period_ns
        if period is None:
            return self.stamps
        return self.stamps + [self.newest + k * period for k in range(1, count + 1)]

    def near(self, a: int, b: int) -> bool:
        """Whether two stamps can belong to one uninterrupted pass."""
        distance = abs(a - b)
        return distance <= _JUMP_NS or distance <= 4 * (self.period_ns or 0)

    def place(
        self, frame: Waiting, other: Timeline, jump: Callable[[Timeline, int], None],
    ) -> None:
        """
        Tell continuation, outlier and time jump apart, and put the frame where it belongs.

        `jump(timeline, stamp)` is called before the first frame of a new pass enters a timeline;
        it must call `restart`.
        """
        stamp, suspect, ally = frame.stamp_ns, self.suspect, other.suspect
        if self._continues(frame):
            self.give_up_suspect(Drop.OUTLIER)
            if self._is_new_pass(stamp):
                jump(self, stamp)
            self._insert(frame)
            return
        if suspect is not None and not self.near(suspect.stamp_ns, stamp):
            self.give_up_suspect(Drop.OUTLIER)
            suspect = None
        if ally is not None and not self.near(ally.stamp_ns, stamp):
            ally = None
        met = other.newest is not None and self.near(other.newest, stamp)
        if suspect is None and ally is None and not met:
            self.suspect = frame
            return
        self.suspect = None
        jump(self, stamp)
        if ally is not None:
            other.suspect = None
            jump(other, stamp)
            other._insert(ally)
        if suspect is not None:
            self._insert(suspect)
        self._insert(frame)

    def drop(self, reason: Drop, count: int) -> None:
        """Count frames as dropped."""
        self.dropped[reason] += count
        self.dropped_total += count

    def give_up(self, count: int, reason: Drop) -> None:
        """Drop the `count` oldest waiting frames."""
        self.drop(reason, count)
        self._remove(count)

    def give_up_suspect(self, reason: Drop) -> None:
        """Drop the frame held aside, if there is one."""
        if self.suspect is not None:
            self.suspect = None
            self.drop(reason, 1)

    def close(self, last: int, paired: int) -> None:
        """Let all frames up to index `last` go: `paired` of them in pairs, the rest dropped."""
        self.closed = self.stamps[last]
        self.drop(Drop.NO_PARTNER, last + 1 - paired)
        self._remove(last + 1)

    def clock_fell_back(self, now: int) -> None:
        """Let waiting times start anew when the arrival clock has been set back."""
        self._newest_arrival = min(self._newest_arrival, now)
        self.frames[:] = [f._replace(arrival_ns=min(f.arrival_ns, now)) for f in self.frames]
        if self.suspect is not None:
            self.suspect = self.suspect._replace(arrival_ns=min(self.suspect.arrival_ns, now))

    def _continues(self, frame: Waiting) -> bool:
        """Whether a stamp follows from the last: near it, or as much later as it came later."""
        if self.newest is None or self.near(frame.stamp_ns, self.newest):
            return True
        step = frame.stamp_ns - self.newest
        return step > 0 and self.near(step, frame.arrival_ns - self._newest_arrival)

    def _is_new_pass(self, stamp: int) -> bool:
        """Count rising stamps behind the newest: the jump of a loop shorter than a second."""
        if self.newest is None or stamp >= self.newest:
            self._run_back = 0
        elif self._run_back and stamp > self._last:
            self._run_back += 1
        else:
            self._run_back = 1
        return self._run_back >= _RUN_BACK

    def _insert(self, frame: Waiting) -> None:
        """Put a frame where its stamp belongs, or count why not."""
        stamp = self._last = frame.stamp_ns
        if self.newest is None or stamp > self.newest:
            if self.newest is not None:
                self._intervals.append(stamp - self.newest)
                self._shortest_ns = min(self._intervals)
            self.newest = stamp
            self._newest_arrival = frame.arrival_ns
            place = len(self.stamps)
        elif stamp in self._remembered:
            self.drop(Drop.DUPLICATE, 1)
            return
        elif self.closed is not None and stamp <= self.closed:
            self.drop(Drop.STALE, 1)
            return
        else:
            place = bisect_left(self.stamps, stamp)
        self._remembered.append(stamp)
        self.stamps.insert(place, stamp)
        self.frames.insert(place, frame)

    def _remove(self, count: int) -> None:
        del self.stamps[:count]
        del self.frames[:count]
