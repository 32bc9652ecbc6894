"""Two cameras, the pairer and the monitor, wired as the node wires them, on a made-up clock."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import numpy as np

from uaafusion_ros.stream.health import HealthMonitor
from uaafusion_ros.stream.pairing import NearestPairer

MS = 1_000_000
S = 1_000_000_000
EPOCH = 1_700_000_000 * S
POLL_NS = 50 * MS


@dataclass
class Output:
    now: int
    stamp: int
    kind: str                 # 'pair', 'thermal' or 'rgb'
    content_age: int = 0      # of thermal, at its stamp


@dataclass
class Rig:
    """`play` frames (arrival, camera, stamp, content stamp); a content older than its stamp is
    a repeat, which the detector is taken to know when the third one comes."""

    reference: str = 'rgb'
    slop: int = 16 * MS
    max_wait: int = 250 * MS
    outputs: list = field(default_factory=list)
    modes: list = field(default_factory=list)  # (now, mode) at each change

    def __post_init__(self):
        self.monitor = HealthMonitor(0, reference=self.reference)
        self.pairer = NearestPairer(slop_ns=self.slop, max_wait_ns=self.max_wait, queue_size=10,
                                    reference=self.reference)
        self.repeats = {'thermal': 0, 'rgb': 0}
        self.timer = 0

    def play(self, frames, until=None):
        for now, camera, stamp, content in sorted(frames):
            self.poll(now)
            self.repeats[camera] = self.repeats[camera] + 1 if content < stamp else 0
            frozen = self.repeats[camera] >= 3 or stamp - content > 100 * MS
            alone = self.monitor.frame(camera, stamp, now, frozen)
            self.note(now)
            if not self.monitor.is_ghost(camera):
                self.publish(self.pairer.add(camera, stamp, stamp - content, now), now)
            if alone:
                self.outputs.append(Output(now, stamp, camera))
        if until is not None:
            self.poll(until)
        return self

    def poll(self, until):
        while self.timer <= until:
            self.publish(self.pairer.poll(self.timer), self.timer)
            self.note(self.timer)
            self.timer += POLL_NS

    def publish(self, pairs, now):
        for pair in pairs:
            if self.monitor.pair(pair.thermal_stamp_ns, pair.rgb_stamp_ns, now):
                stamp = pair.rgb_stamp_ns if self.reference == 'rgb' else pair.thermal_stamp_ns
                self.outputs.append(Output(now, stamp, 'pair', pair.thermal))
            self.note(now)

    def note(self, now):
        mode = self.monitor.health(now).mode.value
        if not self.modes or self.modes[-1][1] != mode:
            self.modes.append((now, mode))

    def mode_at(self, now):
        return [mode for then, mode in self.modes if then <= now][-1]

    def first(self, mode, after):
        return min(now for now, name in self.modes if name == mode and now >= after)

    def longest_pause(self, begin, end):
        times = [begin, *(o.now for o in self.outputs if begin < o.now < end), end]
        return max(np.diff(times))

    def rising(self):
        return bool((np.diff([o.stamp for o in self.outputs]) > 0).all())


def frames(rng, camera, hz, seconds, latency_ms=10.0, jitter_ms=1.0, keep=None, phase_ms=0.0):
    """Frames of one camera; `keep(t)` in seconds says which of them arrive."""
    count = int(seconds * hz)
    times = (np.arange(count) + 0.5) * 1e9 / hz + phase_ms * 1e6
    delays = (latency_ms + jitter_ms * rng.random(count)) * 1e6
    return [(int(t + d), camera, EPOCH + int(t), EPOCH + int(t))
            for t, d in zip(times, delays) if keep is None or keep(t / 1e9)]


def freeze(events, begin, end):
    """Let the content of what is stamped in [begin, end) s stand still."""
    held, result = None, []
    for now, camera, stamp, content in events:
        if begin * S <= stamp - EPOCH < end * S:
            content = held if held is not None else content
            held = content
        result.append((now, camera, stamp, content))
    return result
