"""
Pair the frames of two cameras by time: nearest partner, bounded wait, every drop counted.

A pair is *mutual*: of all frames still waiting, each is the nearest of the other. A mutual pair
is handed out once no frame still to come can be nearer to either of its two frames, or when
its reference frame has waited `max_wait_ns`. Only where jitter would cost a pair, because both
frames have other partners within the slop, is the matching as a whole preferred to the nearest
(`stream.matching.best`). A pair that is handed out closes everything before it, so pairs leave
in strictly rising order of both stamps and a frame is used once.

What is certain rests on one assumption: a camera's next stamp after t is later than t + half of
the shortest of its last 32 intervals (t + 8 ms before there is one). So an exact pair need not
wait for the next frame only to see that it is not nearer; the price is that a frame which comes
sooner than that may find a partner gone that it was nearer to.
"""

from __future__ import annotations

from bisect import bisect_left
from bisect import bisect_right
from dataclasses import dataclass
from typing import Generic
from typing import Mapping
from typing import TypeVar

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.stream.matching import best
from uaafusion_ros.stream.matching import mutual
from uaafusion_ros.stream.timeline import Drop
from uaafusion_ros.stream.timeline import Timeline
from uaafusion_ros.stream.timeline import Waiting

STREAMS = ('thermal', 'rgb')

_AHEAD = 4  # frames of each camera beyond a contested pair that are looked at

Payload = TypeVar('Payload')


@dataclass(frozen=True)
class Pair(Generic[Payload]):
    """
    Two payloads that belong together, with the stamps their cameras gave them.

    `error_ns` is thermal + thermal_offset_ns - rgb, signed: what the matching saw.
    """

    thermal: Payload
    rgb: Payload
    thermal_stamp_ns: int
    rgb_stamp_ns: int
    error_ns: int


@dataclass(frozen=True)
class PairingStats:
    """
    Counters since construction; received[s] == paired + sum(dropped[s]) + pending[s] always.

    Mappings are keyed by 'thermal' and 'rgb'; `dropped` names every `Drop` reason, also at zero.
    `period_ns` is the median of the recent stamp intervals, None before eight are known.
    `jumps` counts time jumps of either camera; `last_jump` says which the last one was.
    """

    received: Mapping[str, int]
    paired: int
    dropped: Mapping[str, Mapping[Drop, int]]
    pending: Mapping[str, int]
    period_ns: Mapping[str, int | None]
    jumps: int
    last_jump: str


class NearestPairer(Generic[Payload]):
    """
    Pair each reference frame with the nearest frame of the other camera, once.

    Integer nanoseconds throughout; payloads are never looked at. Per message a few bisections of
    two sorted lists of at most `queue_size`. It calls nothing of the caller's: pairs are
    returned, so an error in what is done with one cannot harm the next. Not thread-safe: call it
    from one thread, or hold a lock during the call and use the pairs after releasing it.

    Frames may arrive in any order as long as no newer pair has left (else `Drop.STALE`). Outliers
    and time jumps are told apart by `stream.timeline`; at a jump, pairs among the waiting frames
    still leave and the rest is dropped, but nothing of the new pass.

    slop_ns: largest |error_ns|, inclusive.
    max_wait_ns: longest wait of a reference frame on the arrival clock (add, poll: `now_ns`);
        then the nearest frame that had come by then is taken. Call poll() to keep it.
    queue_size: most frames waiting per camera, 2 to 500; the oldest is dropped.
    reference: 'thermal' or 'rgb', the camera whose frames must be decided within max_wait_ns.
    thermal_offset_ns: added to thermal stamps for matching only.
    max_hold_ns: longest wait of a frame of the other camera, so a dead reference frees memory.

    Raises ParameterError for a setting out of range or an unknown stream name.
    """

    def __init__(
        self, *, slop_ns: int, max_wait_ns: int, queue_size: int, reference: str = 'rgb',
        thermal_offset_ns: int = 0, max_hold_ns: int = 1_000_000_000,
    ) -> None:
        if reference not in STREAMS:
            raise ParameterError(
                f"reference is {reference!r}, accepted are 'thermal' and 'rgb': name the camera "
                'whose stamps the output shall carry')
        for name, value in (
            ('slop_ns', slop_ns), ('max_wait_ns', max_wait_ns), ('max_hold_ns', max_hold_ns),
        ):
            if value < 0:
                raise ParameterError(f'{name} is {value}, accepted is 0 or more: raise it')
        if not 2 <= queue_size <= 500:
            raise ParameterError(
                f'queue_size is {queue_size}, accepted is 2 to 500: two seconds of the faster '
                'camera are plenty')
        self._slop_ns = slop_ns
        self._max_wait_ns = max_wait_ns
        self._queue_size = queue_size
        self._max_hold_ns = max_hold_ns
        self._timelines = {
            'thermal': Timeline('thermal', thermal_offset_ns), 'rgb': Timeline('rgb', 0)}
        self._refs = self._timelines[reference]
        self._others = self._timelines['rgb' if reference == 'thermal' else 'thermal']
        self._now = 0
        self._paired = 0
        self._jumps = 0
        self._last_jump = ''

    def add(
        self, stream: str, stamp_ns: int, payload: Payload, now_ns: int,
    ) -> list[Pair[Payload]]:
        """Take one frame of 'thermal' or 'rgb'; return the pairs this decides, oldest first."""
        timeline = self._timelines.get(stream)
        if timeline is None:
            raise ParameterError(
                f"stream is {stream!r}, accepted are 'thermal' and 'rgb': name the camera")
        self._set_clock(now_ns)
        timeline.received += 1
        pairs: list[Pair[Payload]] = []
        if stamp_ns == 0:
            timeline.drop(Drop.ZERO_STAMP, 1)
        else:
            timeline.place(
                Waiting(stamp_ns + timeline.offset_ns, payload, now_ns),
                self._others if timeline is self._refs else self._refs,
                lambda jumped, stamp: pairs.extend(self._jump(jumped, stamp)))
        pairs += self._decide()
        if len(timeline.stamps) > self._queue_size:
            timeline.give_up(len(timeline.stamps) - self._queue_size, Drop.QUEUE_FULL)
        return pairs

    def poll(self, now_ns: int) -> list[Pair[Payload]]:
        """Return the pairs whose wait is over; call it while no frames come."""
        self._set_clock(now_ns)
        return self._decide()

    def reset(self, reason: Drop = Drop.RESET) -> list[Pair[Payload]]:
        """Start anew; return what could still be paired and drop the rest for `reason`."""
        pairs = self._settle()
        for timeline in self._timelines.values():
            timeline.give_up(len(timeline.stamps), reason)
            timeline.give_up_suspect(reason)
            timeline.restart()
        return pairs

    @property
    def stats(self) -> PairingStats:
        """A snapshot of all counters."""
        timelines = self._timelines.items()
        return PairingStats(
            received={name: each.received for name, each in timelines},
            paired=self._paired,
            dropped={name: dict(each.dropped) for name, each in timelines},
            pending={name: each.pending for name, each in timelines},
            period_ns={name: each.period_ns for name, each in timelines},
            jumps=self._jumps,
            last_jump=self._last_jump,
        )

    @property
    def dropped_total(self) -> int:
        """How many frames of both cameras were dropped, for whatever reason."""
        return self._refs.dropped_total + self._others.dropped_total

    def advice(self) -> str | None:
        """Say so when the slop, above half the slower camera's period, can pair neighbours."""
        periods = [(t.period_ns, t.name) for t in self._timelines.values() if t.period_ns]
        if len(periods) < len(STREAMS):
            return None
        period, name = max(periods)
        if 2 * self._slop_ns <= period:
            return None
        return (
            f'sync.slop_ms {self._slop_ns / 1e6:.1f} is more than half the {name} frame period '
            f'of {period / 1e6:.1f} ms: where both cameras drop a frame, neighbours can be '
            'paired; '
            f'set it to {period / 2e6:.1f} or less')

    def _set_clock(self, now: int) -> None:
        if now < self._now:
            for timeline in self._timelines.values():
                timeline.clock_fell_back(now)
        self._now = now

    def _jump(self, jumped: Timeline, stamp: int) -> list[Pair[Payload]]:
        """Leave the old time of one camera; frames of the other that are at the new one stay."""
        pairs = self._settle()
        for each in self._timelines.values():
            if each is jumped or (each.stamps and not each.near(each.stamps[-1], stamp)):
                each.give_up(len(each.stamps), Drop.TIME_JUMP)
        self._jumps += 1
        step = (stamp - jumped.newest) / 1e9
        self._last_jump = f'{jumped.name} stamps jumped by {step:+.3f} s'
        jumped.restart()
        return pairs

    def _settle(self) -> list[Pair[Payload]]:
        """Hand out every pair among the waiting frames, as nothing is to come any more."""
        return self._close(len(self._refs.stamps), len(self._others.stamps))

    def _decide(self) -> list[Pair[Payload]]:
        """Hand out the certain pairs and those whose time is up; drop what cannot be paired."""
        refs, others = self._refs.stamps, self._others.stamps
        pairs: list[Pair[Payload]] = []
        while refs:
            found = mutual(refs, others, self._slop_ns, range(len(refs)), range(len(others)))
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
        matched = best(refs, others, self._slop_ns, range(min(len(refs), i + _AHEAD)),
                       range(min(len(others), j + _AHEAD)))
        return max((pair for pair in matched if pair[0] <= i and pair[1] <= j), default=(i, j))

    def _due(self, i: int, j: int) -> bool:
        """Whether a reference frame's time is up and this partner had come by then."""
        deadline = self._deadline(i)
        return deadline <= self._now and self._others.frames[j].arrival_ns <= deadline

    def _close(self, rows: int, columns: int, *last: tuple[int, int]) -> list[Pair[Payload]]:
        """
        Hand out what pairs among the oldest frames of either camera, then `last`, if given.

        `rows` references and `columns` others; all frames before the last pair are dropped.
        """
        refs, others = self._refs, self._others
        matched = list(last)
        if rows and columns:
            matched = best(
                refs.stamps, others.stamps, self._slop_ns, range(rows), range(columns)) + matched
        if not matched:
            return []
        pairs = []
        for i, j in matched:
            thermal, rgb = refs.frames[i], others.frames[j]
            if refs.name == 'rgb':
                thermal, rgb = rgb, thermal
            pairs.append(Pair(
                thermal.payload, rgb.payload,
                thermal.stamp_ns - self._timelines['thermal'].offset_ns, rgb.stamp_ns,
                thermal.stamp_ns - rgb.stamp_ns))
        self._paired += len(matched)
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
