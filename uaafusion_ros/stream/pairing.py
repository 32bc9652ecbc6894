"""
Pair the frames of two cameras by time: nearest partner, bounded wait, every drop returned.

A pair is *mutual*: of all frames still waiting, each is the nearest of the other. A mutual pair
is handed out once no frame still to come can be nearer to either of its two frames, or when
its reference frame has waited `max_wait_ns`. Only where jitter would cost a pair, because both
frames have other partners within the slop, is the matching as a whole preferred to the nearest
(`match`). A pair that is handed out closes everything before it, so pairs leave in strictly
rising order of both stamps and a frame is used once.

What is certain rests on one assumption: a camera's next stamp after t is later than t + half of
the shortest of its last 32 intervals (t + 8 ms before there is one). So an exact pair need not
wait for the next frame only to see that it is not nearer; the price is that a frame which comes
sooner than that may find a partner gone that it was nearer to.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import Protocol

from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FramePair
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.timeline import Drop
from uaafusion_ros.stream.timeline import Dropped
from uaafusion_ros.stream.timeline import Timeline
from uaafusion_ros.stream.timeline import Waiting

STREAMS = ('thermal', 'rgb')

_AHEAD = 4                      # frames of each camera beyond a contested pair, looked at
_LEAST_HOLD_NS = 1_000_000_000  # for frames of the camera that is not the reference


class Paired(NamedTuple):
    """
    What a pairing policy has decided.

    Pairs, oldest first; frames that will be part of none; and which cameras' stamps have jumped
    in time, in words.
    """

    pairs: list[FramePair]
    drops: list[Dropped]
    jumps: Sequence[str] = ()


class PairingPolicy(Protocol):
    """
    Pair the frames of two cameras; used by one thread.

    All is returned, so that nothing of the caller's runs under a lock of the policy's. `now_ns`
    is the arrival clock.
    """

    def add(self, camera: str, frame: Frame, now_ns: int) -> Paired:
        """Take a frame of 'thermal' or 'rgb' that arrived at `now_ns`."""

    def poll(self, now_ns: int) -> Paired:
        """Settle what has waited long enough; to be called while no frames come."""

    def reset(self, reason: Drop) -> Paired:
        """Start anew; return what could still be paired and drop the rest for `reason`."""

    def set_thermal_offset(self, offset_ns: int) -> None:
        """Add this to thermal stamps from now on; to be called after `reset`."""

    def advice(self) -> str:
        """Return what should be set differently, judged by the frames seen, or nothing."""


class NearestPairing:
    """
    Pair each reference frame with the nearest frame of the other camera, once.

    Integer nanoseconds throughout; images are never looked at. Per message a few bisections of
    two sorted lists of at most `queue_size`. A frame of the camera that is not the reference
    waits for a second at most, or for max_wait_ns if that is longer.

    Frames may arrive in any order as long as no newer pair has left (else `Drop.STALE`). Outliers
    and time jumps are told apart by `stream.timeline`; at a jump, pairs among the waiting frames
    still leave and the rest is dropped, but nothing of the new pass.
    """

    def __init__(self, settings: SyncSettings) -> None:
        self._slop_ns = _ns(settings.slop_ms)
        self._max_wait_ns = _ns(settings.max_wait_ms)
        self._max_hold_ns = max(self._max_wait_ns, _LEAST_HOLD_NS)
        self._queue_size = settings.queue_size
        self._drops: list[Dropped] = []
        self._thermal = Timeline('thermal', _ns(settings.thermal_offset_ms), self._drops)
        self._rgb = Timeline('rgb', 0, self._drops)
        self._refs, self._others = (
            (self._rgb, self._thermal) if settings.reference == 'rgb'
            else (self._thermal, self._rgb))
        self._now = 0

    def add(self, camera: str, frame: Frame, now_ns: int) -> Paired:
        """Take a frame; return the pairs it decides."""
        refs, others = self._refs, self._others
        timeline, other = (refs, others) if camera == refs.name else (others, refs)
        self._set_clock(now_ns)
        pairs: list[FramePair] = []
        arrived = Waiting(frame.stamp_ns + timeline.offset_ns, frame, now_ns)
        jumps, placed = timeline.judge(arrived, other)
        told = []
        for jumped in jumps:
            pairs += self._settle()
            told.append(self._leave(jumped, arrived.stamp_ns))
        for each, waiting in placed:
            each.insert(waiting)
        pairs += self._decide()
        if len(timeline.stamps) > self._queue_size:
            timeline.give_up(len(timeline.stamps) - self._queue_size, Drop.QUEUE_FULL)
        return self._paired(pairs, told)

    def poll(self, now_ns: int) -> Paired:
        """Return the pairs whose wait is over."""
        self._set_clock(now_ns)
        return self._paired(self._decide())

    def reset(self, reason: Drop) -> Paired:
        """Start anew; return what could still be paired and drop the rest for `reason`."""
        pairs = self._settle()
        for timeline in (self._refs, self._others):
            timeline.give_up(len(timeline.stamps), reason)
            timeline.give_up_suspect(reason)
            timeline.restart()
        return self._paired(pairs)

    def set_thermal_offset(self, offset_ns: int) -> None:
        """Add this to thermal stamps from now on; to be called after `reset`."""
        self._thermal.offset_ns = offset_ns

    def advice(self) -> str:
        """Say so when the slop, above half the slower camera's period, can pair neighbours."""
        periods = [(t.period_ns, t.name) for t in (self._thermal, self._rgb) if t.period_ns]
        if len(periods) < len(STREAMS) or 2 * self._slop_ns <= max(periods)[0]:
            return ''
        period, name = max(periods)
        return (
            f'sync.slop_ms {self._slop_ns / 1e6:.1f} is more than half the {name} frame period '
            f'of {period / 1e6:.1f} ms: where both cameras drop a frame, neighbours can be '
            f'paired; set it to {period / 2e6:.1f} or less')

    def _paired(self, pairs: list[FramePair], jumps: Sequence[str] = ()) -> Paired:
        drops = self._drops[:]
        self._drops.clear()
        return Paired(pairs, drops, jumps)

    def _set_clock(self, now: int) -> None:
        if now < self._now:
            for timeline in (self._refs, self._others):
                timeline.clock_fell_back(now)
        self._now = now

    def _leave(self, jumped: Timeline, stamp: int) -> str:
        """Leave the old time of one camera; frames of the other that are at the new one stay."""
        for each in (self._thermal, self._rgb):
            if each is jumped or (each.stamps and not each.near(each.stamps[-1], stamp)):
                each.give_up(len(each.stamps), Drop.TIME_JUMP)
        step = (stamp - (jumped.newest or 0)) / 1e9
        jumped.restart()
        return f'{jumped.name} stamps jumped by {step:+.3f} s'

    def _settle(self) -> list[FramePair]:
        """Hand out every pair among the waiting frames, as nothing is to come any more."""
        return self._close(len(self._refs.stamps), len(self._others.stamps))

    def _decide(self) -> list[FramePair]:
        """Hand out the certain pairs and those whose time is up; drop what cannot be paired."""
        refs, others = self._refs.stamps, self._others.stamps
        pairs: list[FramePair] = []
        while refs:
            found = mutual(refs, others, self._slop_ns)
            oldest = refs[0]
            if found and (self._certain(*found) or self._due(*found)):
                if self._contested(*found):
                    found = self._weigh(*found)
                    if found is None:
                        break
                pairs += self._close(*found, found)
            elif self._now < self._deadline(0) and (found or not self._passed(oldest)):
                break
            else:
                # The favourite suits a later frame better or came too late: what is before it?
                place = bisect_right(others, oldest) - 1
                near = place >= 0 and oldest - others[place] <= self._slop_ns
                if near and self._due(0, place):
                    pairs += self._close(0, place, (0, place))
                else:
                    self._refs.give_up(1, Drop.NO_PARTNER)
        self._prune()
        return pairs

    def _deadline(self, i: int) -> int:
        return self._refs.frames[i].arrival_ns + self._max_wait_ns

    def _passed(self, stamp: int) -> bool:
        """Whether the other camera is already beyond the slop of a reference stamp."""
        newest = self._others.newest
        return (newest is not None and newest > stamp + self._slop_ns
                and self._others.near(newest, stamp))

    def _certain(self, i: int, j: int) -> bool:
        """Whether no frame to come can be nearer to either frame of a mutual pair."""
        ref, other = self._refs.stamps[i], self._others.stamps[j]
        return min(self._others.next_ns - ref, self._refs.next_ns - other) >= abs(ref - other)

    def _contested(self, i: int, j: int) -> bool:
        """
        Whether both frames of a mutual pair could have other partners, so that two pairs live.

        One of them would take the frame before its partner, which is lost otherwise, and leave
        its partner to a later frame, whether that has come or is expected.
        """
        refs, others, slop = self._refs, self._others, self._slop_ns
        ref, other = refs.stamps[i], others.stamps[j]
        after_ref = refs.stamps[i + 1] if i + 1 < len(refs.stamps) else refs.expected_ns
        after_other = others.stamps[j + 1] if j + 1 < len(others.stamps) else others.expected_ns
        return (j > 0 and ref - others.stamps[j - 1] <= slop and after_ref - other <= slop
                or i > 0 and other - refs.stamps[i - 1] <= slop and after_other - ref <= slop)

    def _weigh(self, i: int, j: int) -> tuple[int, int] | None:
        """Return the pair to hand out for a contested one; None to wait for the next frame."""
        if self._now < self._deadline(0) and (
                i + 1 == len(self._refs.stamps) or j + 1 == len(self._others.stamps)):
            return None
        refs, others = self._refs.foreseen(_AHEAD), self._others.foreseen(_AHEAD)
        matched = match(refs[:i + _AHEAD], others[:j + _AHEAD], self._slop_ns)
        return max((pair for pair in matched if pair[0] <= i and pair[1] <= j), default=(i, j))

    def _due(self, i: int, j: int) -> bool:
        """Whether a reference frame's time is up and this partner had come by then."""
        deadline = self._deadline(i)
        return deadline <= self._now and self._others.frames[j].arrival_ns <= deadline

    def _close(self, rows: int, columns: int, *last: tuple[int, int]) -> list[FramePair]:
        """
        Hand out what pairs among the oldest frames of either camera, then `last`, if given.

        `rows` references and `columns` others; all frames before the last pair are dropped.
        """
        refs, others = self._refs, self._others
        matched = list(last)
        if rows and columns:
            matched = match(refs.stamps[:rows], others.stamps[:columns], self._slop_ns) + matched
        if not matched:
            return []
        pairs = []
        for i, j in matched:
            ref, other = refs.frames[i].frame, others.frames[j].frame
            pairs.append(FramePair(thermal=other, rgb=ref) if refs is self._rgb
                         else FramePair(thermal=ref, rgb=other))
        refs.close(i, len(matched))
        others.close(j, len(matched))
        return pairs

    def _prune(self) -> None:
        """Drop partners that no reference frame can want any more, and what is held too long."""
        refs, others = self._refs, self._others
        bound = refs.stamps[0] if refs.stamps else refs.newest
        if others.stamps and bound is not None and refs.near(bound, others.stamps[0]):
            others.give_up(bisect_left(others.stamps, bound - self._slop_ns), Drop.NO_PARTNER)
        oldest = self._now - self._max_hold_ns
        while others.frames and others.frames[0].arrival_ns < oldest:
            others.give_up(1, Drop.STALE)
        for timeline in (refs, others):
            if timeline.suspect is not None and timeline.suspect.arrival_ns < oldest:
                timeline.give_up_suspect(Drop.STALE)


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)


def mutual(refs: list[int], others: list[int], slop_ns: int) -> tuple[int, int] | None:
    """
    Follow nearest neighbours from the oldest reference to two that are each other's.

    `refs` must not be empty; both are sorted stamps. No stamp lies between the two found, so a
    pair that crosses them is longer. Returns their indices, or None where nothing is within
    slop_ns (inclusive) of the oldest reference.
    """
    if not others:
        return None
    i = 0
    j = _nearest(others, refs[i])
    if abs(refs[i] - others[j]) > slop_ns:
        return None
    while True:
        back = _nearest(refs, others[j])
        if back == i:
            return i, j
        i = back
        j = _nearest(others, refs[i])


def match(refs: list[int], others: list[int], slop_ns: int) -> list[tuple[int, int]]:
    """
    Match sorted stamps to which none is to come; index pairs, rising in both.

    Of all matchings without crossing pairs, the one whose sum of 1.5 slop_ns - error is largest:
    a pair more is worth a little more error in its neighbours, but not that all of them move on
    to the next frame. Takes time for each two stamps within slop_ns of one another.
    """
    # The best matching that uses no column beyond ends[k] has totals[k]; both lists rise.
    ends, totals = [-1], [0]
    lasts: list[tuple | None] = [None]
    for i, ref in enumerate(refs):
        found = []
        for j in range(bisect_left(others, ref - slop_ns), bisect_right(others, ref + slop_ns)):
            k = bisect_left(ends, j) - 1
            worth = 3 * slop_ns - 2 * abs(ref - others[j]) + 1  # 1 for a slop of 0
            found.append((j, totals[k] + worth, (lasts[k], i, j)))
        for j, total, pair in found:
            begin = bisect_left(ends, j)
            if total > totals[bisect_right(ends, j) - 1]:
                end = bisect_right(totals, total, begin)
                ends[begin:end], totals[begin:end], lasts[begin:end] = [j], [total], [pair]
    matched = []
    last: Any = lasts[-1]
    while last is not None:
        last, i, j = last
        matched.append((i, j))
    return matched[::-1]


def _nearest(stamps: list[int], stamp: int) -> int:
    """Index of the nearest stamp, the earlier of two at equal distance."""
    right = bisect_left(stamps, stamp)
    if right == 0:
        return 0
    if right == len(stamps) or stamp - stamps[right - 1] <= stamps[right] - stamp:
        return right - 1
    return right
