"""What became of every pair that was sent: counts that add up, and a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

REQUIRED_SHARE = 0.95


@dataclass(frozen=True)
class Sent:
    """One pair as it was sent: the reference stamp and when its later image was published."""

    stamp_ns: int
    published_ns: int


@dataclass(frozen=True)
class Arrival:
    """One fused image as it was recorded: its stamp and when it arrived."""

    stamp_ns: int
    arrived_ns: int


@dataclass(frozen=True)
class Outcome:
    """
    The way of the pairs from the player to the recorder.

    `lost` maps a reason to the number of pairs it cost; together they are the `sent - fused`
    missing ones, unless `unexplained` is not zero. `foreign` counts fused images whose stamp was
    never sent, `repeated` those that came twice. Latencies are milliseconds from the publishing
    of a pair's later image to the arrival of its fused image, NaN if there is none.
    """

    sent: int
    received: int
    fused: int
    lost: Mapping[str, int]
    unexplained: int
    foreign: int
    repeated: int
    latency_p50_ms: float
    latency_p95_ms: float

    @property
    def passed(self) -> bool:
        """Tell whether enough pairs were fused and the node accounts for every other one."""
        return (
            self.sent > 0 and self.fused >= REQUIRED_SHARE * self.sent
            and self.received >= self.fused
            and not (self.unexplained or self.foreign or self.repeated))

    def line(self) -> str:
        """Return the one line of numbers."""
        dropped = ', '.join(f'{reason} {count}' for reason, count in self.lost.items()) or 'none'
        text = (
            f'pairs sent {self.sent}, received {self.received}, fused {self.fused} '
            f'({100 * self.fused / max(1, self.sent):.1f} %), dropped: {dropped}; '
            f'latency p50 {self.latency_p50_ms:.1f} ms, p95 {self.latency_p95_ms:.1f} ms')
        for what, count in (
                ('missing without a reason', self.unexplained),
                ('with a stamp never sent', self.foreign), ('fused twice', self.repeated)):
            if count:
                text += f'; {count} {what}'
        return text


def pair_up(log: Sequence[Sequence], reference: str, other: str) -> list[Sent]:
    """
    Join a player's log of (topic, stamp_ns, published_ns) into pairs, in the order of stamps.

    A last image without its partner, left by an interruption, is no pair.
    """
    sides = {
        topic: sorted((stamp, published) for name, stamp, published in log if name == topic)
        for topic in (reference, other)}
    return [
        Sent(stamp, max(published, partner_published))
        for (stamp, published), (_, partner_published) in zip(sides[reference], sides[other])]


def settle(sent: Sequence[Sent], arrivals: Sequence[Arrival],
           counts: Mapping[str, str]) -> Outcome:
    """
    Account for every pair.

    `counts` is what the node last reported of itself (see `nodes.counters`); empty means
    it never did, and then every missing pair is unexplained. The losses are the differences from
    stage to stage: sent, received by the node, paired, fused, recorded.
    """
    published_ns = {pair.stamp_ns: pair.published_ns for pair in sent}
    seen = Counter(arrival.stamp_ns for arrival in arrivals)
    known = seen.keys() & published_ns.keys()
    latencies = [
        (arrival.arrived_ns - published_ns[arrival.stamp_ns]) * 1e-6
        for arrival in arrivals if arrival.stamp_ns in known]
    p50, p95 = np.percentile(latencies, (50, 95)) if latencies else (np.nan, np.nan)
    received, lost = _losses(len(sent), len(known), counts)
    return Outcome(
        sent=len(sent), received=received, fused=len(known), lost=lost,
        unexplained=len(sent) - len(known) - sum(lost.values()),
        foreign=len(seen) - len(known), repeated=sum(seen.values()) - len(seen),
        latency_p50_ms=float(p50), latency_p95_ms=float(p95))


def _losses(sent: int, recorded: int, counts: Mapping[str, str]) -> tuple[int, dict[str, int]]:
    numbers = {key: int(value) for key, value in counts.items() if value.lstrip('-').isdigit()}
    if 'fused' not in numbers:
        return 0, {}
    received = min(numbers['received.rgb'], numbers['received.thermal'])
    if received > sent or recorded > numbers['fused']:
        return received, {}  # an outdated or foreign report explains nothing
    lost = {'lost before the node': sent - received}
    lost.update(_unpaired(received - numbers['paired'], numbers))
    for key, count in numbers.items():
        if key.startswith('dropped.pair.'):
            lost[key.removeprefix('dropped.pair.').replace('_', ' ')] = count
    lost['lost after the node'] = numbers['fused'] - recorded
    return received, {reason: count for reason, count in lost.items() if count}


def _unpaired(missing: int, numbers: Mapping[str, int]) -> dict[str, int]:
    # A pair that never formed leaves one or two frames behind, each dropped for its reason; the
    # camera with more of them tells why the pair is missing.
    told: dict[str, int] = {}
    for camera in ('rgb', 'thermal'):
        reasons = {
            key.removeprefix('dropped.').replace('.', ' ').replace('_', ' '): count
            for key, count in numbers.items() if key.startswith(f'dropped.{camera}.') and count}
        reasons[f'{camera} waiting at the end'] = numbers.get(f'pending.{camera}', 0)
        if sum(reasons.values()) > sum(told.values()):
            told = reasons
    explained: dict[str, int] = {}
    for reason, count in told.items():
        explained[reason] = min(count, missing - sum(explained.values()))
    return explained
