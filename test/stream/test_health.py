"""Modes of a pair of cameras that fail, return, freeze and lose frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from two_cameras import EPOCH
from two_cameras import frame
from two_cameras import frames
from two_cameras import freeze
from two_cameras import MS
from two_cameras import Player
from two_cameras import S

from uaafusion_ros.settings import ModeSettings
from uaafusion_ros.stream.frame_router import TICK_NS
from uaafusion_ros.stream.health import HealthMonitor
from uaafusion_ros.stream.health import Mode
from uaafusion_ros.stream.timeline import Drop
from uaafusion_ros.stream.timeline import Dropped

RATES = [(30, 30), (60, 30), (60, 9)]


def both(rng, rates, seconds, thermal=None, rgb=None):
    rgb_hz, thermal_hz = rates
    return (frames(rng, 'thermal', thermal_hz, seconds, keep=thermal, phase_ms=4.0),
            frames(rng, 'rgb', rgb_hz, seconds, keep=rgb))


def watch(**settings):
    return HealthMonitor(ModeSettings(**settings), 'nearest', 0)


def names(player):
    return [mode for _, mode in player.modes]


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
@pytest.mark.parametrize('rates', RATES)
@pytest.mark.parametrize('gone', ['rgb', 'thermal'])
def test_a_camera_stops_and_returns(rates, gone, reference):
    rng = np.random.default_rng(1)
    thermal, rgb = both(rng, rates, 10, **{gone: lambda t: not 3 < t < 6})
    player = Player(reference=reference).play(thermal + rgb, 9900 * MS)
    living, mode = (thermal, 'THERMAL_ONLY') if gone == 'rgb' else (rgb, 'RGB_ONLY')
    period = S // rates[1]
    assert player.first(mode, 0) <= 3 * S + 500 * MS + period
    assert player.mode_at(5900 * MS) == mode
    back = player.first('FUSED', 6 * S)
    assert back < 6 * S + 3 * period + 20 * MS
    assert player.modes[-1][1] == 'FUSED' and len(player.modes) <= 5
    assert player.longest_pause(S, 9 * S) <= 500 * MS + 2 * period
    assert player.rising()
    alone = [o.stamp for o in player.outputs if 4 * S < o.now < 6 * S]
    assert alone == [stamp for now, _, stamp, _ in living if 4 * S < now < 6 * S]


@pytest.mark.parametrize('rates', RATES)
@pytest.mark.parametrize('seconds', [0.3, 0.6, 1.2])
@pytest.mark.parametrize('repeats', [False, True])
def test_a_shutter_is_known_within_three_frames_and_leaves_no_ghost(rates, seconds, repeats):
    rng = np.random.default_rng(2)
    closed, open_again = 3.0, 3.0 + seconds
    thermal, rgb = both(
        rng, rates, 6,
        thermal=None if repeats else lambda t: not closed <= t < open_again)
    if repeats:
        thermal = freeze(thermal, closed, open_again)
    player = Player().play(thermal + rgb, 5900 * MS)
    period = S // rates[1]
    # The first held image is a new one; 20 ms are latency and its jitter.
    assert player.first('THERMAL_FROZEN', 0) - 3 * S <= 3 * period + period * repeats + 20 * MS
    assert player.first('FUSED', 3500 * MS if seconds > 0.4 else 3200 * MS) <= (
        open_again * S + 4 * period + 20 * MS)
    assert max(o.content_age for o in player.outputs) <= 100 * MS
    assert 'THERMAL_ONLY' not in names(player) and 'STALE' not in names(player)[1:]
    assert player.longest_pause(S, 5 * S) <= 3 * period + 20 * MS
    assert player.rising()


@pytest.mark.parametrize('rates', RATES)
@pytest.mark.parametrize('lossy', [('rgb',), ('thermal',), ('rgb', 'thermal')])
def test_half_of_the_frames_lost_is_no_reason_to_flap(rates, lossy):
    rng = np.random.default_rng(3)
    keep = {camera: lambda t: rng.random() < 0.5 for camera in lossy}
    thermal, rgb = both(rng, rates, 120, **keep)
    player = Player().play(thermal + rgb, 120 * S)
    # Ten missed frames in a row do happen; what follows is a true mode, not flapping.
    assert len(player.modes) - 2 <= 4
    ends = [now for now, _ in player.modes[1:]] + [120 * S]
    in_fused = sum(
        end - begin for (begin, mode), end in zip(player.modes, ends) if mode == 'FUSED')
    assert in_fused > 0.97 * 120 * S
    assert player.rising()


def test_both_stop_and_a_pause_does_not_lead_through_another_mode():
    rng = np.random.default_rng(4)
    thermal, rgb = both(rng, (30, 30), 4)
    later = [(now + 20 * S, *rest) for now, *rest in (
        (now, camera, stamp + 4 * S, content + 4 * S) for now, camera, stamp, content
        in thermal + rgb)]
    player = Player().play(thermal + rgb + later, 23900 * MS)
    assert player.mode_at(10 * S) == 'STALE'
    assert names(player)[-2:] == ['STALE', 'FUSED']
    assert player.first('FUSED', 10 * S) <= 20 * S + 100 * MS
    assert player.rising()


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
def test_one_camera_from_the_beginning_is_published_after_the_timeout(camera):
    player = Player().play(frames(np.random.default_rng(5), camera, 30, 3), 2900 * MS)
    assert names(player) == ['STALE', f'{camera.upper()}_ONLY']
    assert player.modes[1][0] <= 500 * MS + TICK_NS
    assert {o.kind for o in player.outputs} == {camera}
    other = 'thermal' if camera == 'rgb' else 'rgb'
    assert player.router.health(3 * S).reason.startswith(f'no image from {other} yet: check')


def test_stamps_that_never_meet_give_rgb_and_name_the_remedy():
    rng = np.random.default_rng(6)
    thermal, rgb = both(rng, (30, 30), 5)
    thermal = [(now, camera, stamp + 900 * S, content + 900 * S)
               for now, camera, stamp, content in thermal]
    player = Player().play(thermal + rgb, 4900 * MS)
    assert names(player) == ['STALE', 'RGB_ONLY']
    assert player.modes[1][0] <= S + 2 * TICK_NS
    assert 'sync.thermal_offset_ms' in player.router.health(4900 * MS).reason


def test_a_late_pair_is_not_published_after_its_frame_was():
    player, step = Player(), 33 * MS
    player.play([(k * step, 'rgb', EPOCH + k * step, EPOCH + k * step) for k in range(20)])
    assert player.outputs[-1].kind == 'rgb' and player.router.mode is Mode.RGB_ONLY
    now = 20 * step
    late = [('thermal', EPOCH + k * step) for k in (18, 19)]
    player.play([(now, camera, stamp, stamp) for camera, stamp in late])
    assert player.drops.count(Dropped('pair', 'late')) == 2
    assert 'back; 2 of 3 pairs' in player.router.health(now).reason
    player.play([(now + k, camera, EPOCH + now, EPOCH + now)
                 for k, camera in enumerate(('rgb', 'thermal'))])
    assert player.router.mode is Mode.FUSED
    count = len(player.outputs)
    player.play([(now + step, 'rgb', EPOCH + now + step, EPOCH + now + step)])
    assert len(player.outputs) == count and player.rising()


def test_still_images_are_fused_but_frozen_rgb_is_reported():
    monitor = watch()
    for k in range(40):
        now = k * 33 * MS
        for camera in ('rgb', 'thermal'):
            monitor.on_frame(camera, now, frozen=k >= 3)
            assert not monitor.repeats_alone(camera)
        monitor.on_pair(now)
    health = monitor.health(now)
    assert (health.mode, health.rgb_frozen) == (Mode.FUSED, True)
    assert 'still images' in health.reason
    monitor.on_frame('thermal', now + 33 * MS)
    assert 'restart the rgb camera' in monitor.health(now + 33 * MS).reason


def test_a_freeze_longer_than_a_shutter_says_so():
    monitor = watch()
    for k in range(150):
        now = k * 33 * MS
        monitor.on_frame('rgb', now)
        monitor.on_frame('thermal', now, frozen=k > 10)
        assert monitor.repeats_alone('thermal') == (k > 10)
    health = monitor.health(now)
    assert health.mode is Mode.THERMAL_FROZEN
    assert 'longer than a shutter' in health.reason and 'thermal.freeze_repeats' in health.reason


def test_frozen_thermal_without_rgb_is_nothing():
    monitor = watch()
    for k in range(60):
        assert monitor.on_frame('thermal', k * 33 * MS, frozen=k > 3) is Mode.STALE or k < 16
    assert monitor.health(60 * 33 * MS).mode is Mode.STALE


def test_refused_images_are_named_as_the_cause():
    monitor = watch()
    for k in range(30):
        monitor.on_frame('rgb', k * 33 * MS)
        monitor.on_refused('thermal', 'its stamp is zero')
    health = monitor.health(S)
    assert health.mode is Mode.RGB_ONLY
    assert health.reason.endswith('it sends what is refused: its stamp is zero')


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
def test_a_bag_of_one_camera_loops(camera):
    rng = np.random.default_rng(7)
    one = frames(rng, camera, 30, 4)
    loops = [(now + k * 4 * S, *rest) for k in range(3) for now, *rest in one]
    player = Player().play(loops, 12 * S)
    assert len(player.outputs) >= len(loops) - 17 - 2
    assert names(player)[1:] == [f'{camera.upper()}_ONLY']


def test_a_bag_with_both_cameras_loops_and_stays_fused():
    rng = np.random.default_rng(8)
    thermal, rgb = both(rng, (30, 30), 4)
    loops = [(now + k * 4 * S, *rest) for k in range(3) for now, *rest in thermal + rgb]
    player = Player().play(loops, 11900 * MS)
    assert names(player) == ['STALE', 'FUSED']
    assert len(player.outputs) >= 3 * 120 - 6


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(RATES), st.sampled_from(['rgb', 'thermal']),
    st.lists(st.tuples(st.sampled_from(['rgb', 'thermal', 'freeze']), st.floats(0, 8),
                       st.floats(0.1, 3)), max_size=5),
    st.floats(0, 0.3))
def test_outputs_rise_and_flow_whatever_fails(seed, rates, reference, faults, loss):
    rng = np.random.default_rng(seed)

    def kept(camera):
        return lambda t: rng.random() >= loss and not any(
            name == camera and begin <= t < begin + length for name, begin, length in faults)

    thermal, rgb = both(rng, rates, 10, thermal=kept('thermal'), rgb=kept('rgb'))
    for name, begin, length in sorted(faults, key=lambda fault: fault[1]):
        if name == 'freeze':
            thermal = freeze(thermal, begin, begin + length)
    player = Player(reference=reference).play(thermal + rgb, 10 * S)
    assert player.rising()
    assert max((o.content_age for o in player.outputs), default=0) <= 100 * MS
    # While RGB lives without a pause, the outputs never pause for long.
    arrivals = [now for now, camera, _, _ in rgb if camera == 'rgb']
    lives = arrivals and max(np.diff([0, *arrivals, 10 * S])) < 300 * MS
    if lives:
        assert player.longest_pause(0, 10 * S) <= 2 * S
    changes = player.router.health(10 * S).changes
    assert changes <= 3 + 4 * len(faults) + 10 * loss


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(
    st.sampled_from(['rgb', 'thermal', 'tick', 'reset', 'refused']),
    st.one_of(st.integers(EPOCH, EPOCH + S), st.sampled_from(
        [0, 1, -2**31 * S, 2**31 * S, EPOCH + 3600 * S, EPOCH - 10 * S])),
    st.sampled_from([0, MS, 33 * MS, 600 * MS, 3600 * S]), st.booleans()), max_size=60))
def test_any_stamp_is_taken_and_good_frames_recover(events):
    player, now = Player(), 0
    for kind, stamp, step, frozen in events:
        now += step
        if kind == 'tick':
            player.take(player.router.on_tick(now), now)
        elif kind == 'reset':
            player.take(player.router.reset(Drop.TIME_JUMP, now), now)
        elif kind == 'refused':
            player.router.on_refused('rgb', Drop.MALFORMED, 'why')
        else:
            content = EPOCH if frozen else stamp
            player.take(player.router.on_frame(kind, frame(stamp, content), now), now)
        assert player.router.health(now).reason
    passed = []
    for _ in range(200):
        now += 33 * MS
        passed += player.router.on_frame('rgb', frame(EPOCH + now), now).jobs
    assert player.router.mode is Mode.RGB_ONLY
    assert [job.reference.stamp_ns for job in passed[-100:]] == [
        EPOCH + now - k * 33 * MS for k in range(99, -1, -1)]


@pytest.mark.parametrize('policy, remedy, wrong', [
    ('nearest', 'sync.thermal_offset_ms', 'sync.policy'), ('exact', 'sync.policy', 'slop')])
def test_the_hint_about_stamps_that_do_not_pair_names_what_the_policy_uses(policy, remedy, wrong):
    monitor = HealthMonitor(ModeSettings(), policy, 0)
    for k in range(60):
        for camera in ('rgb', 'thermal'):
            monitor.on_frame(camera, k * 33 * MS)
    reason = monitor.health(60 * 33 * MS).reason
    assert 'nothing pairs' in reason and remedy in reason and wrong not in reason


@pytest.mark.parametrize('timeout_s', [0.2, 5.0])
def test_another_timeout_never_interrupts_what_runs_and_holds_at_once(timeout_s):
    monitor, step = watch(), 33 * MS
    for k in range(60):
        for camera in ('rgb', 'thermal'):
            monitor.on_frame(camera, k * step)
        monitor.on_pair(k * step)
    now = 59 * step
    before = monitor.health(now)
    monitor.configure(ModeSettings(timeout_s=timeout_s), 'nearest')
    assert monitor.health(now) == before
    for k in range(180):
        now += step
        monitor.on_frame('rgb', now)
        if monitor.update(now) is Mode.RGB_ONLY:
            break
        monitor.on_pair(now)  # so that silence is all that matters
    assert timeout_s <= (k + 1) * step / S <= timeout_s + 0.04
