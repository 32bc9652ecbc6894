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
from typing import NamedTuple

from uaafusion_ros.frames import Frame

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
    FROZEN = 'frozen'          # the camera repeats an image while the other one sees new ones
    MALFORMED = 'malformed'    # the message cannot be read as an image


class Dropped(NamedTuple):
    """So many frames of a camera, or of what was made of frames, given up for a reason."""

    what: str    # 'thermal', 'rgb'; 'pair' and 'alone' for what would have been published
    reason: str  # a value of `Drop`, or what a pairing policy or a publisher adds to them
    count: int = 1  # type: ignore[assignment]  # hides tuple.count


class Waiting(NamedTuple):
    """A frame with the stamp it is matched by (the camera's plus its offset) and its arrival."""

    stamp_ns: int
    frame: Frame
    arrival_ns: int


class Placement(NamedTuple):
    """Timelines that begin a new pass, and frames with the timelines they enter, in order."""

    jumps: list[Timeline]
    frames: list[tuple[Timeline, Waiting]]


class Timeline:
    """
    The waiting frames of one camera.

    `stamps` and `frames` run in parallel, sorted. `newest` is the latest stamp of the pass, where
    there is one; the next is taken to be later than `next_ns`, and expected at `expected_ns` or
    later. `closed` is the stamp of the last frame handed out, `suspect` a frame held aside. What
    is given up is added to `drops`, a list of the owner's.
    """

    def __init__(self, name: str, offset_ns: int, drops: list[Dropped]) -> None:
        self.name = name
        self.offset_ns = offset_ns
        self.drops = drops
        self.stamps: list[int] = []
        self.frames: list[Waiting] = []
        self.suspect: Waiting | None = None
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)
        self._shortest_ns = 0
        self.restart()

    def restart(self) -> None:
        """Forget where in time the camera was; its rate is kept."""
        self.newest: int | None = None
        self.next_ns = self.expected_ns = 0
        self.closed: int | None = None
        self._newest_arrival = 0
        self._last = 0
        self._run_back = 0
        self._remembered: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def period_ns(self) -> int | None:
        """Median of the recent intervals; None before eight are known."""
        known = len(self._intervals) >= _INTERVALS_NEEDED
        return median_low(self._intervals) if known else None

    def foreseen(self, count: int) -> list[int]:
        """Return the waiting stamps, and the next `count` to come where the rate is known."""
        period = self.period_ns
        if period is None or self.newest is None:
            return self.stamps
        return self.stamps + [self.newest + k * period for k in range(1, count + 1)]

    def near(self, a: int, b: int) -> bool:
        """Whether two stamps can belong to one uninterrupted pass."""
        distance = abs(a - b)
        return distance <= _JUMP_NS or distance <= 4 * (self.period_ns or 0)

    def judge(self, frame: Waiting, other: Timeline) -> Placement:
        """
        Tell continuation, outlier and time jump apart; return where the frame belongs.

        An outlier is held aside or dropped here. Where `jumps` are returned, the owner settles
        what waits at the old time before it inserts the frames.
        """
        stamp, suspect, ally = frame.stamp_ns, self.suspect, other.suspect
        if self._continues(frame):
            self.give_up_suspect(Drop.OUTLIER)
            return Placement([self] if self._is_new_pass(stamp) else [], [(self, frame)])
        if suspect is not None and not self.near(suspect.stamp_ns, stamp):
            self.give_up_suspect(Drop.OUTLIER)
            suspect = None
        if ally is not None and not self.near(ally.stamp_ns, stamp):
            ally = None
        met = other.newest is not None and self.near(other.newest, stamp)
        if suspect is None and ally is None and not met:
            self.suspect = frame
            return Placement([], [])
        self.suspect = None
        placed = [(self, frame)] if suspect is None else [(self, suspect), (self, frame)]
        if ally is None:
            return Placement([self], placed)
        other.suspect = None
        return Placement([self, other], [(other, ally), *placed])

    def insert(self, frame: Waiting) -> None:
        """Put a frame where its stamp belongs, or count why not."""
        stamp = self._last = frame.stamp_ns
        if self.newest is None or stamp > self.newest:
            if self.newest is not None:
                self._intervals.append(stamp - self.newest)
                self._shortest_ns = min(self._intervals)
            self.newest = stamp
            self.next_ns = stamp + (self._shortest_ns // 2 if self._intervals else _LEAST_NS)
            self.expected_ns = stamp + self._shortest_ns
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

    def drop(self, reason: Drop, count: int) -> None:
        """Report frames as dropped."""
        if count:
            self.drops.append(Dropped(self.name, reason.value, count))

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

    def _remove(self, count: int) -> None:
        del self.stamps[:count]
        del self.frames[:count]
