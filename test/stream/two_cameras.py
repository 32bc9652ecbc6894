"""Frames of two cameras, and the router that they are played through, on a made-up clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uaafusion_ros.frames import Frame
from uaafusion_ros.settings import Settings
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.frame_router import FrameRouter
from uaafusion_ros.stream.frame_router import TICK_NS

MS = 1_000_000
S = 1_000_000_000
EPOCH = 1_700_000_000 * S


def frame(stamp, content=None, frame_id=''):
    """Return a frame; the image shows the time of its content."""
    content = stamp if content is None else content
    return Frame(np.full((2, 2), content, np.int64), stamp, frame_id, '64SC1')


@dataclass
class Output:
    now: int
    stamp: int
    kind: str                 # 'pair', 'thermal' or 'rgb'
    content_age: int = 0      # of thermal in a pair, at its stamp


class Player:
    """Play frames (arrival, camera, stamp, content stamp); older content is a repeat."""

    def __init__(self, settings=None, **sync):
        self.router = FrameRouter(settings or Settings(sync=SyncSettings(**sync)), 0)
        self.outputs, self.drops = [], []
        self.modes = []       # (now, mode) at each change
        self.timer = 0

    def play(self, frames, until=None):
        for now, camera, stamp, content in sorted(frames):
            self.tick(now)
            self.take(self.router.on_frame(camera, frame(stamp, content), now), now)
        if until is not None:
            self.tick(until)
        return self

    def tick(self, until):
        while self.timer <= until:
            self.take(self.router.on_tick(self.timer), self.timer)
            self.timer += TICK_NS

    def take(self, decision, now):
        self.drops += decision.drops
        for job in decision.jobs:
            age = job.pair.thermal.stamp_ns - job.pair.thermal.array[0, 0] if job.pair else 0
            self.outputs.append(Output(
                now, job.reference.stamp_ns, 'pair' if job.pair else job.camera, age))
        mode = self.router.mode.value
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
