"""What becomes of each frame, on a made-up clock; the node's and the replay's own tests go on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from uaafusion_ros.frames import Frame
from uaafusion_ros.settings import Settings
from uaafusion_ros.stream.flow import Router
from uaafusion_ros.stream.health import Mode
from uaafusion_ros.stream.nearest import NearestSynchronizer
from uaafusion_ros.stream.timeline import Drop

S = 1_000_000_000
MS = 1_000_000
START_NS = 1_700_000_000 * S
STEP_NS = 100 * MS


class Bench:
    """A router whose arrival clock and stamps are one; `counts` is what it told."""

    def __init__(self, **values):
        self.now_ns, self.counts, self.said, self.image = START_NS, Counter(), [], 0
        self.settings = Settings().changed(values)
        self.router = Router(
            self.settings, NearestSynchronizer, self.now_ns,
            paired=lambda pair: self.counts.update(['paired']),
            dropped=lambda what, reason, count: self.counts.update({f'{what}.{reason}': count}),
            refused=lambda *told: self.said.append(told))

    def send(self, camera, stamp_ns=None, image=None, clock_ns=None):
        self.image += 1
        array = np.full((4, 6), (self.image if image is None else image) % 250, np.uint8)
        return self.router.take(
            camera, Frame(array, self.now_ns if stamp_ns is None else stamp_ns, camera, 'mono8'),
            self.now_ns, self.now_ns if clock_ns is None else clock_ns)

    def step(self, *cameras, **options):
        self.now_ns += STEP_NS
        jobs = [job for camera in cameras for job in self.send(camera, **options)]
        return jobs + self.router.poll(self.now_ns)


def running(**values):
    bench = Bench(**values)
    for _ in range(5):
        bench.step('rgb', 'thermal')
    return bench


def test_pairs_are_fused_and_carry_the_reference():
    bench = running()
    jobs = bench.step('rgb', 'thermal') + bench.router.reset(Drop.RESET, bench.now_ns)
    job = jobs[-1]
    assert (job.mode, job.kind, job.frame) == (Mode.FUSED, 'pair', None)
    assert job.reference('rgb') is job.pair.rgb and job.reference('thermal') is job.pair.thermal
    assert job.decided_ns == bench.now_ns == job.pair.rgb.stamp_ns
    assert bench.counts == {'paired': 6}
    assert bench.router.skew().skew_p50_ms == 0.0


def test_a_living_camera_goes_alone_when_the_other_is_lost():
    bench = running()
    jobs = [job for _ in range(12) for job in bench.step('rgb')]
    alone = [job for job in jobs if job.kind == 'alone']
    assert 5 <= len(alone) <= 8, 'from mode.timeout_s on'
    assert {(job.mode, job.camera) for job in alone} == {(Mode.RGB_ONLY, 'rgb')}
    assert alone[-1].reference('thermal').stamp_ns == bench.now_ns
    assert bench.router.health(bench.now_ns).mode is Mode.RGB_ONLY


def test_a_repeated_thermal_image_is_dropped_by_name_while_rgb_moves():
    bench = running()
    for _ in range(6):
        bench.now_ns += STEP_NS
        bench.send('rgb')
        bench.send('thermal', image=7)
    assert bench.counts['thermal.frozen'] >= 4
    assert bench.router.health(bench.now_ns).mode is Mode.THERMAL_FROZEN


@pytest.mark.parametrize('stamp_ns, clock_ns, reason', [
    (0, START_NS, 'zero_stamp'), (START_NS + 2 * S, START_NS, 'future'), (0, 0, 'zero_stamp')])
def test_a_stamp_that_cannot_be_used_is_told_once_and_never_paired(stamp_ns, clock_ns, reason):
    bench = Bench()
    assert bench.send('rgb', stamp_ns, clock_ns=clock_ns) == []
    (camera, said, why), = bench.said
    assert (camera, said) == ('rgb', reason) and why.startswith('its stamp')
    assert not bench.counts
    later = bench.router.health(bench.now_ns + S)
    assert why in later.reason


def test_without_a_clock_nothing_lies_ahead():
    bench = Bench()
    bench.send('rgb', START_NS + 100 * S, clock_ns=0)
    assert not bench.said


def test_a_pair_whose_frame_was_shown_alone_is_late():
    bench = running()
    for _ in range(12):
        bench.step('rgb')
    jobs = bench.send('thermal', bench.now_ns - STEP_NS)
    jobs += bench.router.reset(Drop.RESET, bench.now_ns)
    assert not jobs and (bench.counts['paired'], bench.counts['pair.late']) == (6, 1)


def test_a_change_starts_anew_only_what_it_concerns():
    bench = running()
    bench.now_ns += STEP_NS
    bench.send('rgb')
    slop = bench.settings.changed({'sync.slop_ms': 5.0})
    assert bench.router.change(slop, bench.now_ns) == []
    assert bench.counts['rgb.reset'] == 1
    assert bench.router.health(bench.now_ns).mode is Mode.FUSED
    bench.router.change(slop.changed({'sync.queue_size': 10}), bench.now_ns)
    assert bench.counts['rgb.reset'] == 1, 'an equal value is no change'
    bench.router.change(slop.changed({'mode.timeout_s': 5.0}), bench.now_ns)
    assert bench.router.health(bench.now_ns).mode is Mode.STALE
    assert bench.counts['rgb.reset'] == 1


def test_a_policy_that_cannot_be_made_changes_nothing():
    made = []

    def make(settings, dropped):
        if made:
            raise RuntimeError('no such policy')
        made.append(NearestSynchronizer(settings, dropped))
        return made[0]

    told = Counter()
    router = Router(Settings(), make, 0, paired=lambda pair: None,
                    dropped=lambda what, reason, count: told.update([reason]),
                    refused=lambda *_: None)
    router.take('rgb', Frame(np.zeros((4, 4), np.uint8), S, '', 'mono8'), S)
    with pytest.raises(RuntimeError):
        router.change(Settings().changed({'sync.slop_ms': 5.0}), S)
    assert not told, 'the frame still waits'


@pytest.mark.parametrize('reason, shown', [(Drop.TIME_JUMP, 1), (Drop.RESET, 0)])
def test_after_a_jump_of_the_clock_older_stamps_are_shown_at_once(reason, shown):
    bench = running()
    for _ in range(12):
        bench.step('rgb')
    bench.router.reset(reason, bench.now_ns)
    bench.now_ns += STEP_NS
    assert len(bench.send('rgb', bench.now_ns - 50 * S)) == shown
    assert np.isnan(bench.router.skew().skew_p50_ms) == bool(shown)
