from __future__ import annotations

import pytest

from uaafusion_ros.stream.timeline import Drop
from uaafusion_ros.stream.timeline import Timeline
from uaafusion_ros.stream.timeline import Waiting

MS = 1_000_000
S = 1_000_000_000
EPOCH = 1_700_000_000 * S


class Cameras:
    """Two timelines whose jumps and drops are written down."""

    def __init__(self):
        self.drops, self.jumps = [], []
        self.rgb = Timeline('rgb', 0, self.drops)
        self.thermal = Timeline('thermal', 0, self.drops)

    def place(self, timeline, stamp, now=0):
        other = self.thermal if timeline is self.rgb else self.rgb
        jumps, placed = timeline.judge(Waiting(stamp, None, now), other)
        for jumped in jumps:
            self.jumps.append((jumped.name, stamp))
            jumped.give_up(len(jumped.stamps), Drop.TIME_JUMP)
            jumped.restart()
        for each, frame in placed:
            each.insert(frame)


def test_frames_wait_in_order_of_time_and_leave_from_the_front():
    cameras = Cameras()
    rgb = cameras.rgb
    for stamp in (0, 66, 33, 99):
        cameras.place(rgb, EPOCH + stamp * MS)
    assert rgb.stamps == [f.stamp_ns for f in rgb.frames] == [
        EPOCH + k * 33 * MS for k in range(4)]
    rgb.close(1, 1)
    assert (rgb.closed, len(rgb.stamps)) == (EPOCH + 33 * MS, 2)
    cameras.place(rgb, EPOCH + 20 * MS)
    cameras.place(rgb, EPOCH + 99 * MS)
    assert cameras.drops == [
        ('rgb', reason, 1) for reason in ('no_partner', 'stale', 'duplicate')]
    assert len(rgb.stamps) == 2


def test_the_rate_is_known_after_eight_intervals_and_survives_a_restart():
    cameras = Cameras()
    for k in range(9):
        assert cameras.rgb.period_ns is None
        cameras.place(cameras.rgb, EPOCH + k * 40 * MS)
    cameras.rgb.restart()
    assert cameras.rgb.period_ns == 40 * MS
    cameras.place(cameras.rgb, EPOCH)
    assert cameras.rgb.next_ns == EPOCH + 20 * MS


def test_the_next_stamp_is_foreseen_from_the_first_interval_on():
    cameras = Cameras()
    cameras.place(cameras.rgb, EPOCH)
    assert cameras.rgb.next_ns == EPOCH + 8 * MS
    assert cameras.rgb.foreseen(2) == [EPOCH]
    for k in range(1, 9):
        cameras.place(cameras.rgb, EPOCH + k * 40 * MS)
        assert cameras.rgb.next_ns == EPOCH + k * 40 * MS + 20 * MS
        assert cameras.rgb.expected_ns == EPOCH + (k + 1) * 40 * MS
    assert cameras.rgb.foreseen(2)[-3:] == [EPOCH + k * 40 * MS for k in (8, 9, 10)]


@pytest.mark.parametrize(('step', 'far'), [(S, False), (S + 1, True), (-S, False), (-S - 1, True)])
def test_beyond_a_second_a_stamp_is_held_aside(step, far):
    cameras = Cameras()
    cameras.place(cameras.rgb, EPOCH)
    cameras.place(cameras.rgb, EPOCH + step)
    assert (cameras.rgb.suspect is not None) == far
    assert len(cameras.rgb.stamps) == 2 - far


def test_four_periods_of_a_slow_camera_are_near():
    cameras = Cameras()
    for k in range(9):
        cameras.place(cameras.rgb, EPOCH + k * S)
    assert cameras.rgb.near(0, 4 * S) and not cameras.rgb.near(0, 4 * S + 1)


def test_a_silence_as_long_on_the_arrival_clock_continues():
    cameras = Cameras()
    cameras.place(cameras.rgb, EPOCH, now=0)
    cameras.place(cameras.rgb, EPOCH + 60 * S, now=60 * S)
    assert cameras.rgb.suspect is None


def test_a_suspect_is_an_outlier_unless_the_next_frame_is_there_too():
    cameras = Cameras()
    cameras.place(cameras.rgb, EPOCH)
    cameras.place(cameras.rgb, EPOCH + 9 * S)
    cameras.place(cameras.rgb, EPOCH + 33 * MS)
    assert cameras.drops == [('rgb', 'outlier', 1)]
    assert cameras.jumps == []
    cameras.place(cameras.rgb, EPOCH - 9 * S)
    cameras.place(cameras.rgb, EPOCH - 9 * S + 33 * MS)
    assert cameras.jumps == [('rgb', EPOCH - 9 * S + 33 * MS)]
    assert cameras.rgb.stamps == [EPOCH - 9 * S, EPOCH - 9 * S + 33 * MS]


def test_two_suspects_that_agree_are_believed_in_both_cameras():
    cameras = Cameras()
    for timeline in (cameras.rgb, cameras.thermal):
        cameras.place(timeline, EPOCH)
    cameras.place(cameras.rgb, EPOCH - 9 * S)
    cameras.place(cameras.thermal, EPOCH - 9 * S + MS)
    assert [name for name, _ in cameras.jumps] == ['thermal', 'rgb']
    assert cameras.rgb.stamps == [EPOCH - 9 * S]
    assert cameras.thermal.stamps == [EPOCH - 9 * S + MS]


def test_five_rising_stamps_behind_the_newest_are_a_new_pass():
    cameras = Cameras()
    for k in range(10):
        cameras.place(cameras.rgb, EPOCH + k * 33 * MS)
    cameras.rgb.close(9, 10)
    for k in range(5):
        assert cameras.jumps == []
        cameras.place(cameras.rgb, EPOCH + k * 33 * MS)
    assert cameras.jumps == [('rgb', EPOCH + 4 * 33 * MS)]


def test_a_clock_set_back_lets_waiting_start_anew():
    cameras = Cameras()
    cameras.place(cameras.rgb, EPOCH, now=50)
    cameras.place(cameras.rgb, EPOCH + 9 * S, now=60)
    cameras.rgb.clock_fell_back(7)
    assert cameras.rgb.frames[0].arrival_ns == cameras.rgb.suspect.arrival_ns == 7
