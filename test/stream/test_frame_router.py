"""What becomes of each frame, on a made-up clock; the node's and the replay's own tests go on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from uaafusion_ros.frames import Frame
from uaafusion_ros.settings import FreezeSettings
from uaafusion_ros.settings import InputSettings
from uaafusion_ros.settings import ModeSettings
from uaafusion_ros.settings import Settings
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.frame_router import FrameRouter
from uaafusion_ros.stream.health import Mode
from uaafusion_ros.stream.pairing import NearestPairing
from uaafusion_ros.stream.timeline import Drop

S = 1_000_000_000
MS = 1_000_000
START_NS = 1_700_000_000 * S
STEP_NS = 100 * MS


class Bench:
    """A router whose arrival clock and stamps are one; `counts` and `said` sum what it returns."""

    def __init__(self, make_pairing=NearestPairing, **sync):
        self.now_ns, self.counts, self.said, self.image = START_NS, Counter(), [], 0
        self.settings = Settings(sync=SyncSettings(**sync))
        self.router = FrameRouter(self.settings, self.now_ns, make_pairing)

    def jobs(self, decision):
        self.counts.update(decision.counts())
        self.said += decision.notices
        return decision.jobs

    def send(self, camera, stamp_ns=None, image=None, clock_ns=None):
        self.image += 1
        array = np.full((4, 6), (self.image if image is None else image) % 250, np.uint8)
        return self.jobs(self.router.on_frame(
            camera, Frame(array, self.now_ns if stamp_ns is None else stamp_ns, camera, 'mono8'),
            self.now_ns, self.now_ns if clock_ns is None else clock_ns))

    def step(self, *cameras, **options):
        self.now_ns += STEP_NS
        jobs = [job for camera in cameras for job in self.send(camera, **options)]
        return jobs + self.jobs(self.router.on_tick(self.now_ns))

    def reset(self, reason=Drop.RESET):
        return self.jobs(self.router.reset(reason, self.now_ns))

    def configure(self, settings):
        self.settings = settings
        return self.jobs(self.router.configure(settings, self.now_ns))


def running(**sync):
    bench = Bench(**sync)
    for _ in range(5):
        bench.step('rgb', 'thermal')
    return bench


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
def test_pairs_are_fused_and_carry_the_reference(reference):
    bench = running(reference=reference)
    job = (bench.step('rgb', 'thermal') + bench.reset())[-1]
    assert (job.mode, job.kind, job.camera) == (Mode.FUSED, 'pair', reference)
    assert job.reference is getattr(job.pair, reference)
    assert job.decided_ns == bench.now_ns == job.pair.rgb.stamp_ns
    assert bench.counts == {'paired': 6}
    assert bench.router.skew().skew_p50_ms == 0.0


def test_a_living_camera_goes_alone_when_the_other_is_lost():
    bench = running()
    jobs = [job for _ in range(12) for job in bench.step('rgb')]
    alone = [job for job in jobs if job.kind == 'alone']
    assert 5 <= len(alone) <= 8, 'from mode.timeout_s on'
    assert {(job.mode, job.camera) for job in alone} == {(Mode.RGB_ONLY, 'rgb')}
    assert alone[-1].reference.stamp_ns == bench.now_ns
    assert bench.router.health(bench.now_ns).mode is Mode.RGB_ONLY


def test_a_repeated_thermal_image_is_dropped_by_name_while_rgb_moves():
    bench = running()
    for _ in range(6):
        bench.now_ns += STEP_NS
        bench.send('rgb')
        bench.send('thermal', image=7)
    assert bench.counts['dropped.thermal.frozen'] >= 4
    assert bench.router.health(bench.now_ns).mode is Mode.THERMAL_FROZEN


@pytest.mark.parametrize('stamp_ns, clock_ns, reason', [
    (0, START_NS, 'zero_stamp'), (0, 0, 'zero_stamp'), (START_NS + S + 1, START_NS, 'future'),
    (2**31 * S, START_NS, 'future')])
def test_a_stamp_that_cannot_be_used_is_told_once_and_never_paired(stamp_ns, clock_ns, reason):
    bench = Bench()
    assert bench.send('rgb', stamp_ns, clock_ns=clock_ns) == []
    (level, key, text), = bench.said
    assert (level, key) == ('error', f'dropped.rgb.{reason}')
    assert text.startswith('rgb image dropped: its stamp') and bench.counts == {key: 1}
    later = bench.router.health(bench.now_ns + S)
    assert text.partition(': ')[2] in later.reason


def test_a_stamp_ahead_says_by_how_much():
    bench = Bench()
    bench.send('rgb', START_NS + 2 * S)
    assert 'lies 2.000 s ahead' in bench.said[0].text


@pytest.mark.parametrize('stamp_ns, clock_ns', [
    (START_NS + 100 * S, 0), (START_NS + S, START_NS), (-2**31 * S, START_NS), (1, START_NS)])
def test_old_stamps_are_taken_and_without_a_clock_nothing_lies_ahead(stamp_ns, clock_ns):
    bench = Bench()
    bench.send('rgb', stamp_ns, clock_ns=clock_ns)
    assert not bench.said


def test_a_pair_whose_frame_was_shown_alone_is_late():
    bench = running()
    for _ in range(12):
        bench.step('rgb')
    jobs = bench.send('thermal', bench.now_ns - STEP_NS)
    jobs += bench.reset()
    assert not jobs and (bench.counts['paired'], bench.counts['dropped.pair.late']) == (6, 1)


def test_a_change_starts_anew_only_what_it_concerns():
    bench = running()
    bench.now_ns += STEP_NS
    bench.send('rgb')
    assert bench.configure(replace(bench.settings, sync=SyncSettings(slop_ms=5.0))) == []
    assert bench.counts['dropped.rgb.reset'] == 1
    bench.configure(replace(bench.settings, freeze=FreezeSettings(repeats=0)))
    bench.configure(replace(bench.settings, input=InputSettings(max_future_s=9.0)))
    assert bench.counts['dropped.rgb.reset'] == 1
    assert bench.router.health(bench.now_ns).mode is Mode.FUSED


def test_another_timeout_is_no_reason_to_stop_publishing():
    bench = running()
    for timeout_s in (5.0, 0.3, 0.5):
        bench.configure(replace(bench.settings, mode=ModeSettings(timeout_s=timeout_s)))
        assert bench.router.mode is Mode.FUSED
        modes = {job.mode for _ in range(3) for job in bench.step('rgb', 'thermal')}
        assert modes == {Mode.FUSED} == {bench.router.mode}
    assert bench.router.health(bench.now_ns).changes == 1


def test_another_reference_changes_which_stamps_rise():
    bench = running()
    bench.configure(replace(bench.settings, sync=SyncSettings(reference='thermal')))
    for _ in range(5):
        bench.now_ns += STEP_NS
        jobs = bench.send('rgb') + bench.send('thermal', bench.now_ns - 4 * MS) + bench.reset()
    assert jobs[-1].reference.stamp_ns == bench.now_ns - 4 * MS


def test_a_policy_that_cannot_be_made_changes_nothing():
    def make(settings):
        if settings.policy == 'exact':
            raise RuntimeError('no such policy')
        return NearestPairing(settings)

    bench = Bench(make)
    bench.send('rgb')
    with pytest.raises(RuntimeError):
        bench.configure(replace(bench.settings, sync=SyncSettings(policy='exact')))
    assert not bench.counts, 'the frame still waits'


def test_a_jump_of_a_camera_is_told_once():
    bench = running()
    for number in range(12):
        bench.now_ns += 33 * MS
        bench.send('rgb', bench.now_ns - 60 * S, clock_ns=0)
    assert [(level, 'rgb stamps jumped' in text) for level, _, text in bench.said] == [
        ('warning', True)]


def test_an_image_that_cannot_be_read_is_counted_and_named_where_it_is_missed():
    bench = Bench()
    bench.jobs(bench.router.on_refused('thermal', Drop.MALFORMED, 'it was cut'))
    assert bench.counts == {'dropped.thermal.malformed': 1}
    assert bench.said[0].text == 'thermal image dropped: it was cut'
    assert 'it was cut' in bench.router.health(bench.now_ns + S).reason


@pytest.mark.parametrize('reason, shown', [(Drop.TIME_JUMP, 1), (Drop.RESET, 0)])
def test_after_a_jump_of_the_clock_older_stamps_are_shown_at_once(reason, shown):
    bench = running()
    for _ in range(12):
        bench.step('rgb')
    bench.reset(reason)
    bench.now_ns += STEP_NS
    assert len(bench.send('rgb', bench.now_ns - 50 * S)) == shown
    assert np.isnan(bench.router.skew().skew_p50_ms) == bool(shown)


def moving(bench, seconds, late_ms, rng, still=False):
    """Let both cameras see 25 images a second of one motion; thermal stamps lie late."""
    pace, scenery = 0.0, rng.uniform(0, 255, (12, 16))
    for number in range(25 * seconds):
        bench.now_ns += 40 * MS
        pace = 0.8 * pace + rng.normal(0, 1)
        if not still:
            scenery = scenery + rng.normal(0, abs(pace), scenery.shape)
        for camera, late in (('rgb', 0), ('thermal', late_ms)):
            bench.image += 1
            bench.jobs(bench.router.on_frame(
                camera, Frame(np.full((4, 6), bench.image % 250, np.uint8),
                              bench.now_ns + late * MS, camera, 'mono8'),
                bench.now_ns, bench.now_ns, scenery + rng.normal(0, 0.1, scenery.shape)))


@pytest.mark.parametrize('late_ms', [150, -8_400, 5_000])
def test_a_measured_offset_is_applied_once_and_told(late_ms):
    """Milliseconds, or clocks that are seconds apart: then nothing can pair before."""
    bench = Bench(estimate_offset=True)
    moving(bench, 20, late_ms, np.random.default_rng(0))
    applied_ms, latest = bench.router.thermal_offset()
    assert abs(applied_ms + late_ms) < 10 and latest.sure
    told = [text for level, _, text in bench.said if level == 'info']
    assert len(told) == 1 and f'sync.thermal_offset_ms is {applied_ms:.0f}' in told[0]
    assert ('synchronise the clocks' in told[0]) == (abs(late_ms) > 1000)
    paired = bench.counts['paired']
    moving(bench, 2, late_ms, np.random.default_rng(0))
    assert bench.counts['paired'] >= paired + 48
    assert bench.router.skew().skew_p50_ms <= 10
    bench.configure(replace(bench.settings, sync=replace(bench.settings.sync, slop_ms=20.0)))
    assert bench.router.thermal_offset()[0] == applied_ms
    bench.configure(replace(bench.settings, sync=replace(
        bench.settings.sync, estimate_offset=False)))
    assert bench.router.thermal_offset() == (0.0, None)


def test_without_motion_or_a_request_no_offset_is_applied():
    for bench, still in ((Bench(estimate_offset=True), True), (Bench(), False)):
        moving(bench, 20, 150, np.random.default_rng(0), still)
        assert bench.router.thermal_offset()[0] == 0.0 and not bench.said


def test_a_camera_that_restarts_with_another_delay_is_measured_anew():
    bench = Bench(estimate_offset=True)
    moving(bench, 16, 150, np.random.default_rng(0))
    bench.now_ns += 5 * S
    moving(bench, 1, -90, np.random.default_rng(1))
    applied_ms, latest = bench.router.thermal_offset()
    assert abs(applied_ms + 150) < 10, 'what is known stays until more is known'
    assert 'restarted' in latest.reason or 'are needed' in latest.reason
    moving(bench, 16, -90, np.random.default_rng(2))
    assert abs(bench.router.thermal_offset()[0] - 90) < 10
