from __future__ import annotations

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from uaafusion_ros.stream.monotonic_output import MonotonicOutput

MS = 1_000_000
S = 1_000_000_000
EPOCH = 1_700_000_000 * S


def steady(count=10, first=EPOCH, now=0, camera='rgb'):
    order = MonotonicOutput()
    for k in range(count):
        assert order.admit_alone(camera, first + k * 33 * MS, now + k * 33 * MS)
    return order


def test_the_same_stamp_and_an_older_one_do_not_pass():
    order = steady()
    for stamp in (9, 8, 3, 9):
        assert not order.admit_alone('rgb', EPOCH + stamp * 33 * MS, S)
        assert not order.admit_pair(EPOCH + stamp * 33 * MS, S)
    assert order.admit_pair(EPOCH + 10 * 33 * MS, S)
    assert not order.admit_alone('rgb', EPOCH + 10 * 33 * MS, S)


@pytest.mark.parametrize('stamp', [0, 1, EPOCH + 3600 * S, EPOCH - 3600 * S, -2**31 * S])
def test_one_wrong_stamp_does_not_pass_and_costs_nothing(stamp):
    order = steady()
    assert not order.admit_alone('rgb', stamp, 330 * MS)
    assert order.admit_alone('rgb', EPOCH + 10 * 33 * MS, 330 * MS)


@pytest.mark.parametrize('step', [3600 * S, -3600 * S, -3 * S])
def test_a_jump_costs_one_frame(step):
    order = steady()
    passed = [order.admit_alone('rgb', EPOCH + step + k * 33 * MS, (10 + k) * 33 * MS)
              for k in range(5)]
    assert passed == [False, True, True, True, True]


def test_a_loop_shorter_than_a_second_costs_four():
    order = steady(20)
    passed = [order.admit_alone('rgb', EPOCH + k * 33 * MS, (20 + k) * 33 * MS) for k in range(20)]
    assert passed == [False] * 4 + [True] * 16


def test_another_camera_behind_waits_until_it_has_caught_up():
    order = steady(20)
    passed = [order.admit_alone('thermal', EPOCH + (14 + k) * 33 * MS, (20 + k) * 33 * MS)
              for k in range(10)]
    assert passed == [False] * 6 + [True] * 4


def test_slow_stamps_in_a_fast_replay_are_not_silenced():
    order = MonotonicOutput()
    passed = [order.admit_alone('rgb', EPOCH + k * 5 * S, k * S // 2) for k in range(40)]
    assert sum(passed) >= 20


def test_pairs_of_a_new_pass_pass_and_late_ones_do_not():
    order = MonotonicOutput()
    for k in range(10):
        assert order.admit_pair(EPOCH + k * 33 * MS, k * 33 * MS)
    assert order.admit_pair(EPOCH, 330 * MS)
    order = steady(90)                            # three seconds alone
    late = [order.admit_pair(EPOCH + (30 + k) * 33 * MS, (90 + k) * 33 * MS) for k in range(70)]
    assert late == [False] * 60 + [True] * 10     # two seconds late, then caught up
    order = steady(90)
    assert order.admit_pair(EPOCH - 20 * S, 3 * S)      # no wait is so long: a new pass
    order = steady(90)
    jumped = [order.admit_pair(EPOCH - 2 * S + k * 11 * MS, 3 * S + k * 33 * MS)
              for k in range(300)]
    assert jumped.index(True) * 33 * MS < 7 * S


moves = st.lists(st.tuples(st.sampled_from(['rgb', 'thermal', 'pair']),
                           st.integers(-900 * MS, 900 * MS), st.integers(0, 50 * MS)),
                 max_size=60)


@settings(max_examples=100, deadline=None)
@given(moves)
def test_what_passes_rises_but_for_five_rising_in_a_row(moves):
    order, now, stamp, passed = MonotonicOutput(), 0, EPOCH, []
    last = {'alone': EPOCH, 'pair': EPOCH}
    for kind, step, wait in moves:
        now += wait
        if kind == 'pair':          # pairs rise, as pairing makes them
            last['pair'] += abs(step) // 9 + 1
            if order.admit_pair(last['pair'], now):
                passed.append(last['pair'])
        else:
            stamp = EPOCH + now + step // 20
            if order.admit_alone(kind, stamp, now):
                passed.append(stamp)
    falls = sum(b <= a for a, b in zip(passed, passed[1:]))
    assert falls <= len(moves) // 5
