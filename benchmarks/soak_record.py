"""What a soak measured, and which verdicts follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import numpy as np
import soak_verdict as verdicts
from soak_verdict import Verdict

CYCLE_S = 30.0
SAMPLE_S = 0.25
CALM_S = 1.0          # after a fault, before latencies count again
LONGEST_GAP_S = 1.0   # of outputs, while a camera lives
GHOST_S = 0.1


@dataclass
class Record:
    """What was measured, by the monotonic clock in seconds from the start."""

    sampled_s: list[float] = field(default_factory=list)
    private_mb: list[float] = field(default_factory=list)
    shared_mb: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    output_s: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    thermal_age_s: list[float] = field(default_factory=list)
    control: list[tuple[float, float]] = field(default_factory=list)
    cycles: list[tuple[float, float]] = field(default_factory=list)
    faults: list[tuple[float, float, str]] = field(default_factory=list)


def judge(record: Record, code: int, complaints: list[str]) -> list[Verdict]:
    """Return the verdicts on a record that has at least one cycle."""
    quiet = calm(record)
    latencies = [[latency for at, latency in quiet if begin <= at < end]
                 for begin, end in record.cycles]
    control = [[spent for at, spent in record.control if begin <= at < end]
               for begin, end in record.cycles]
    ends = [np.searchsorted(record.sampled_s, end) - 1 for _, end in record.cycles]
    inside = [at for at in record.output_s
              if record.cycles[0][0] <= at <= record.cycles[-1][1]]
    stall = max(np.diff(record.sampled_s)) - SAMPLE_S
    minima = verdicts.cycle_minima(record.sampled_s, record.private_mb, record.cycles)
    return [
        verdicts.memory(minima, CYCLE_S),
        verdicts.constant('threads', [record.threads[place] for place in ends]),
        verdicts.constant('descriptors', [record.descriptors[place] for place in ends]),
        verdicts.drift(latencies, control),
        verdicts.at_most(
            'longest gap of outputs', max(np.diff(inside)), LONGEST_GAP_S, 's', stall),
        verdicts.at_most('oldest thermal image shown', max(record.thermal_age_s), GHOST_S, 's'),
        verdicts.none_of('unexpected errors', complaints),
        verdicts.at_most('exit code', abs(code), 0, ''),
    ]


def calm(record: Record) -> list[tuple[float, float]]:
    """Return time and latency (ms) of each output outside of faults."""
    return [(at, latency) for at, latency in zip(record.output_s, record.latency_ms)
            if not any(begin <= at < end + CALM_S for begin, end, _ in record.faults)]


def gaps(record: Record) -> list[tuple[float, float, str]]:
    """Return length, begin and last fault of the gaps between outputs, longest first."""
    found = []
    for begin, end in zip(record.output_s, record.output_s[1:]):
        before = [name for at, _, name in record.faults if at <= end]
        found.append((round(end - begin, 3), round(begin, 2), before[-1] if before else ''))
    return sorted(found, reverse=True)
