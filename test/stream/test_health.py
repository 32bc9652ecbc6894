"""Modes of a pair of cameras that fail, return, freeze and lose frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rig import EPOCH
from rig import frames
from rig import freeze
from rig import MS
from rig import POLL_NS
from rig import Rig
from rig import S

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.stream.health import HealthMonitor
from uaafusion_ros.stream.health import Mode

RATES = [(30, 30), (60, 30), (60, 9)]


def both(rng, rates, seconds, thermal=None, rgb=None):
    rgb_hz, thermal_hz = rates
    return (frames(rng, 'thermal', thermal_hz, seconds, keep=thermal, phase_ms=4.0),
            frames(rng, 'rgb', rgb_hz, seconds, keep=rgb))


def names(rig):
    return [mode for _, mode in rig.modes]


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
@pytest.mark.parametrize('rates', RATES)
@pytest.mark.parametrize('gone', ['rgb', 'thermal'])
def test_a_camera_stops_and_returns(rates, gone, reference):
    rng = np.random.default_rng(1)
    thermal, rgb = both(rng, rates, 10, **{gone: lambda t: not 3 < t < 6})
    rig = Rig(reference=reference).play(thermal + rgb, 9900 * MS)
    living, mode = (thermal, 'THERMAL_ONLY') if gone == 'rgb' else (rgb, 'RGB_ONLY')
    period = S // rates[1]
    assert rig.first(mode, 0) <= 3 * S + 500 * MS + period
    assert rig.mode_at(5900 * MS) == mode
    back = rig.first('FUSED', 6 * S)
    assert back < 6 * S + 3 * period + 20 * MS
    assert rig.modes[-1][1] == 'FUSED' and len(rig.modes) <= 5
    assert rig.longest_pause(S, 9 * S) <= 500 * MS + 2 * period
    assert rig.rising()
    alone = [o.stamp for o in rig.outputs if 4 * S < o.now < 6 * S]
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
    rig = Rig().play(thermal + rgb, 5900 * MS)
    period = S // rates[1]
    # The first held image is a new one; 20 ms are latency and its jitter.
    assert rig.first('THERMAL_FROZEN', 0) - 3 * S <= 3 * period + period * repeats + 20 * MS
    assert rig.first('FUSED', 3500 * MS if seconds > 0.4 else 3200 * MS) <= (
        open_again * S + 4 * period + 20 * MS)
    assert max(o.content_age for o in rig.outputs) <= 100 * MS
    assert 'THERMAL_ONLY' not in names(rig) and 'STALE' not in names(rig)[1:]
    assert rig.longest_pause(S, 5 * S) <= 3 * period + 20 * MS
    assert rig.rising()


@pytest.mark.parametrize('rates', RATES)
@pytest.mark.parametrize('lossy', [('rgb',), ('thermal',), ('rgb', 'thermal')])
def test_half_of_the_frames_lost_is_no_reason_to_flap(rates, lossy):
    rng = np.random.default_rng(3)
    keep = {camera: lambda t: rng.random() < 0.5 for camera in lossy}
    thermal, rgb = both(rng, rates, 120, **keep)
    rig = Rig().play(thermal + rgb, 120 * S)
    # Ten missed frames in a row do happen; what follows is a true mode, not flapping.
    assert len(rig.modes) - 2 <= 4
    in_fused = sum(
        end - begin for (begin, mode), (end, _) in zip(rig.modes, [*rig.modes[1:], (120 * S, '')])
        if mode == 'FUSED')
    assert in_fused > 0.97 * 120 * S
    assert rig.rising()


def test_both_stop_and_a_pause_does_not_lead_through_another_mode():
    rng = np.random.default_rng(4)
    thermal, rgb = both(rng, (30, 30), 4)
    later = [(now + 20 * S, *rest) for now, *rest in (
        (now, camera, stamp + 4 * S, content + 4 * S) for now, camera, stamp, content
        in thermal + rgb)]
    rig = Rig().play(thermal + rgb + later, 23900 * MS)
    assert rig.mode_at(10 * S) == 'STALE'
    assert names(rig)[-2:] == ['STALE', 'FUSED']
    assert rig.first('FUSED', 10 * S) <= 20 * S + 100 * MS
    assert rig.rising()


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
def test_one_camera_from_the_beginning_is_published_after_the_timeout(camera):
    rig = Rig().play(frames(np.random.default_rng(5), camera, 30, 3), 2900 * MS)
    assert names(rig) == ['STALE', f'{camera.upper()}_ONLY']
    assert rig.modes[1][0] <= 500 * MS + POLL_NS
    assert {o.kind for o in rig.outputs} == {camera}
    other = 'thermal' if camera == 'rgb' else 'rgb'
    assert rig.monitor.health(3 * S).reason.startswith(f'no image from {other} yet: check')


def test_stamps_that_never_meet_give_rgb_and_name_the_remedy():
    rng = np.random.default_rng(6)
    thermal, rgb = both(rng, (30, 30), 5)
    thermal = [(now, camera, stamp + 900 * S, content + 900 * S)
               for now, camera, stamp, content in thermal]
    rig = Rig().play(thermal + rgb, 4900 * MS)
    assert names(rig) == ['STALE', 'RGB_ONLY']
    assert rig.modes[1][0] <= S + 2 * POLL_NS
    assert 'sync.thermal_offset_ms' in rig.monitor.health(4900 * MS).reason


def test_a_late_pair_is_not_published_after_its_frame_was():
    monitor = HealthMonitor(0)
    for k in range(20):
        alone = monitor.frame('rgb', EPOCH + k * 33 * MS, k * 33 * MS)
    assert alone and monitor.health(19 * 33 * MS).mode is Mode.RGB_ONLY
    now = 20 * 33 * MS
    monitor.frame('thermal', EPOCH + 18 * 33 * MS, now)
    assert not monitor.pair(EPOCH + 18 * 33 * MS, EPOCH + 18 * 33 * MS, now)
    assert not monitor.pair(EPOCH + 19 * 33 * MS, EPOCH + 19 * 33 * MS, now)
    assert 'back; 2 of 3 pairs' in monitor.health(now).reason
    assert monitor.pair(EPOCH + now, EPOCH + now, now)
    assert monitor.health(now).mode is Mode.FUSED
    assert not monitor.frame('rgb', EPOCH + 21 * 33 * MS, now + 33 * MS)


def test_still_images_are_fused_but_frozen_rgb_is_reported():
    monitor = HealthMonitor(0)
    for k in range(40):
        now = k * 33 * MS
        for camera in ('rgb', 'thermal'):
            monitor.frame(camera, EPOCH + now, now, frozen=k >= 3)
            assert not monitor.is_ghost(camera)
        assert monitor.pair(EPOCH + now, EPOCH + now, now)
    health = monitor.health(now)
    assert (health.mode, health.rgb_frozen) == (Mode.FUSED, True)
    assert 'still images' in health.reason
    monitor.frame('thermal', EPOCH + now + 33 * MS, now + 33 * MS)
    assert 'restart the rgb camera' in monitor.health(now + 33 * MS).reason


def test_a_freeze_longer_than_a_shutter_says_so():
    monitor = HealthMonitor(0)
    for k in range(150):
        now = k * 33 * MS
        monitor.frame('rgb', EPOCH + now, now)
        monitor.frame('thermal', EPOCH + now, now, frozen=k > 10)
        assert monitor.is_ghost('thermal') == (k > 10)
    health = monitor.health(now)
    assert health.mode is Mode.THERMAL_FROZEN
    assert 'longer than a shutter' in health.reason and 'thermal.freeze_repeats' in health.reason


def test_frozen_thermal_without_rgb_is_nothing():
    monitor = HealthMonitor(0)
    for k in range(60):
        assert not monitor.frame('thermal', EPOCH + k * 33 * MS, k * 33 * MS, frozen=k > 3)
    assert monitor.health(60 * 33 * MS).mode is Mode.STALE


def test_refused_images_are_named_as_the_cause():
    monitor = HealthMonitor(0)
    for k in range(30):
        monitor.frame('rgb', EPOCH + k * 33 * MS, k * 33 * MS)
        monitor.refused('thermal', 'its stamp is zero')
    health = monitor.health(S)
    assert health.mode is Mode.RGB_ONLY
    assert health.reason.endswith('it sends what is refused: its stamp is zero')


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
def test_a_bag_of_one_camera_loops(camera):
    rng = np.random.default_rng(7)
    one = frames(rng, camera, 30, 4)
    loops = [(now + k * 4 * S, *rest) for k in range(3) for now, *rest in one]
    rig = Rig().play(loops, 12 * S)
    assert len(rig.outputs) >= len(loops) - 17 - 2
    assert names(rig)[1:] == [f'{camera.upper()}_ONLY']


def test_a_bag_with_both_cameras_loops_and_stays_fused():
    rng = np.random.default_rng(8)
    thermal, rgb = both(rng, (30, 30), 4)
    loops = [(now + k * 4 * S, *rest) for k in range(3) for now, *rest in thermal + rgb]
    rig = Rig().play(loops, 11900 * MS)
    assert names(rig) == ['STALE', 'FUSED']
    assert len(rig.outputs) >= 3 * 120 - 6


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
    for name, begin, length in faults:
        if name == 'freeze':
            thermal = freeze(thermal, begin, begin + length)
    rig = Rig(reference=reference).play(thermal + rgb, 10 * S)
    assert rig.rising()
    assert max((o.content_age for o in rig.outputs), default=0) <= 100 * MS
    # While RGB lives without a pause, the outputs never pause for long.
    arrivals = [now for now, camera, _, _ in rgb if camera == 'rgb']
    lives = arrivals and max(np.diff([0, *arrivals, 10 * S])) < 300 * MS
    if lives:
        assert rig.longest_pause(0, 10 * S) <= 2 * S
    changes = rig.monitor.health(10 * S).changes
    assert changes <= 3 + 4 * len(faults) + 10 * loss


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(
    st.sampled_from(['rgb', 'thermal', 'pair', 'health', 'reset', 'refused']),
    st.one_of(st.integers(EPOCH, EPOCH + S), st.sampled_from(
        [0, 1, -2**31 * S, 2**31 * S, EPOCH + 3600 * S, EPOCH - 10 * S])),
    st.sampled_from([0, MS, 33 * MS, 600 * MS, 3600 * S]), st.booleans()), max_size=60))
def test_any_stamp_is_taken_and_good_frames_recover(events):
    monitor, now = HealthMonitor(0), 0
    for kind, stamp, step, frozen in events:
        now += step
        if kind == 'pair':
            monitor.pair(stamp, stamp, now)
        elif kind == 'reset':
            monitor.reset()
        elif kind == 'refused':
            monitor.refused('rgb', 'why')
        elif kind == 'health':
            assert monitor.health(now).reason
        else:
            monitor.frame(kind, stamp, now, frozen)
    passed = []
    for _ in range(200):
        now += 33 * MS
        passed.append(monitor.frame('rgb', EPOCH + now, now))
    assert monitor.health(now).mode is Mode.RGB_ONLY and all(passed[-100:])


@pytest.mark.parametrize('wrong', [
    {'timeout_ns': 0}, {'recovery_pairs': 0}, {'reference': 'ir'}])
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        HealthMonitor(0, **wrong)
    with pytest.raises(ParameterError, match='depth'):
        HealthMonitor(0).frame('depth', EPOCH, 0)
