from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from uaafusion_ros.frames import Frame
from uaafusion_ros.settings import SyncSettings
from uaafusion_ros.stream.pairing import match
from uaafusion_ros.stream.pairing import NearestPairing
from uaafusion_ros.stream.timeline import Drop

MS = 1_000_000
S = 1_000_000_000
EPOCH = 1_700_000_000 * S


class Pair(NamedTuple):
    thermal: object
    rgb: object
    thermal_stamp_ns: int
    rgb_stamp_ns: int
    error_ns: int


class Pairer:
    """The pairing with its outcomes counted; payloads travel as frame_id."""

    def __init__(self, **settings_):
        self.settings = SyncSettings(**{
            'slop_ms': 20.0, 'max_wait_ms': 60.0, 'queue_size': 30, **settings_})
        self.pairing = NearestPairing(self.settings)
        self.received, self.paired, self.jumps = Counter(), 0, []
        self.dropped = {'thermal': Counter(), 'rgb': Counter()}

    def add(self, stream, stamp, payload, now):
        self.received[stream] += 1
        return self._took(self.pairing.add(stream, Frame(None, stamp, payload, ''), now))

    def poll(self, now):
        return self._took(self.pairing.poll(now))

    def reset(self, reason=Drop.RESET):
        return self._took(self.pairing.reset(reason))

    def _took(self, outcome):
        self.paired += len(outcome.pairs)
        for stream, reason, count in outcome.drops:
            self.dropped[stream][reason] += count
        self.jumps += outcome.jumps
        offset = round(self.settings.thermal_offset_ms * MS)
        return [Pair(p.thermal.frame_id, p.rgb.frame_id, p.thermal.stamp_ns, p.rgb.stamp_ns,
                     p.thermal.stamp_ns + offset - p.rgb.stamp_ns) for p in outcome.pairs]

    def waiting(self, stream):
        return self.received[stream] - self.paired - sum(self.dropped[stream].values())


def make(**settings_):
    return Pairer(**settings_)


def balanced(pairer):
    """Whether no more wait than may: a queue and one whose stamp is not believed yet."""
    return all(0 <= pairer.waiting(stream) <= pairer.settings.queue_size + 1
               for stream in ('thermal', 'rgb'))


def all_accounted_for(pairer):
    pairer.reset()
    return pairer.waiting('thermal') == pairer.waiting('rgb') == 0


def skew(pair):
    return pair.thermal_stamp_ns - pair.rgb_stamp_ns


def dropped(pairer, stream):
    return dict(pairer.dropped[stream])


def camera(rng, hz, seconds, phase_ms=0.0, jitter_ms=0.0, start=EPOCH):
    count = int(seconds * hz)
    times = (np.arange(count) + 0.5) * 1e9 / hz + phase_ms * 1e6
    times += rng.normal(0.0, jitter_ms * 1e6, count)
    return [start + int(t) for t in np.sort(times)]


def arrivals(rng, stamps, stream, latency_ms, shift=0):
    """(arrival, stream, stamp) with up to 4 ms of varying latency, in order per camera."""
    times = np.array(stamps, dtype=np.int64) - EPOCH + shift
    times = times + ((latency_ms + 4 * rng.random(len(stamps))) * MS).astype(np.int64)
    return [(int(t), stream, s) for t, s in zip(np.maximum.accumulate(times), stamps)]


def play(pairer, events, poll_ns=5 * MS):
    """Feed arrivals in order with a timer between them; payloads are the events' indices."""
    pairs = []
    timer = events[0][0]
    for index, (now, stream, stamp) in enumerate(events):
        while timer < now:
            pairs += pairer.poll(timer)
            timer += poll_ns
        pairs += pairer.add(stream, stamp, index, now)
        assert balanced(pairer)
    for _ in range(100):
        timer += poll_ns
        pairs += pairer.poll(timer)
    pairs += pairer.reset()
    assert pairer.waiting('thermal') == pairer.waiting('rgb') == 0
    return pairs


def least_total_error(a, b, slop):
    """(count, total error) of the matching with most pairs and, of these, the least error."""
    previous = [(0, 0)] * (len(b) + 1)
    for x in a:
        row = [(0, 0)]
        for j, y in enumerate(b):
            best = max(previous[j + 1], row[j])
            error = abs(x - y)
            if error <= slop:
                count, minus_total = previous[j]
                best = max(best, (count + 1, minus_total - error))
            row.append(best)
        previous = row
    return previous[-1][0], -previous[-1][1]


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
@pytest.mark.parametrize(('rgb_hz', 'thermal_hz'), [(30, 30), (60, 30), (60, 9)])
def test_every_loop_gives_every_nearest_pair(rgb_hz, thermal_hz, reference):
    rng = np.random.default_rng(rgb_hz + thermal_hz)
    thermal = camera(rng, thermal_hz, 10, 0.0, 3.0)
    rgb = camera(rng, rgb_hz, 10, 4.0, 3.0)
    possible, total = least_total_error(thermal, rgb, 20 * MS)
    assert total == sum(min(abs(t - r) for r in rgb) for t in thermal)
    events = sorted(
        event for loop in range(3)
        for event in (arrivals(rng, thermal, 'thermal', 5, loop * 10 * S)
                      + arrivals(rng, rgb, 'rgb', 9, loop * 10 * S)))
    pairer = make(reference=reference, queue_size=20, max_wait_ms=100.0)
    errors = [[], [], []]
    for pair in play(pairer, events):
        loops = {round((now - stamp + EPOCH) / (10 * S))
                 for now, _, stamp in (events[pair.thermal], events[pair.rgb])}
        assert len(loops) == 1
        errors[loops.pop()].append(abs(skew(pair)))
    for of_loop in errors:
        assert possible >= len(of_loop) >= 0.995 * possible
        assert np.mean(of_loop) == pytest.approx(total / possible, rel=0.002)
    assert len(pairer.jumps) == 4
    assert Drop.OUTLIER not in dropped(pairer, 'rgb')


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
def test_one_camera_loops_200_ms_before_the_other(reference):
    rng = np.random.default_rng(3)
    thermal = camera(rng, 30, 5)
    rgb = camera(rng, 30, 5, 2.0)
    events = []
    for loop in range(3):
        events += arrivals(rng, thermal, 'thermal', 5, loop * 5 * S)
        events += arrivals(rng, rgb, 'rgb', 205, loop * 5 * S)
    events.sort()
    pairer = make(reference=reference, max_wait_ms=500.0)
    pairs = play(pairer, events)
    passes = [len([p for p in pairs if lo <= events[p.thermal][0] - 5 * MS < lo + 5 * S])
              for lo in (0, 5 * S, 10 * S)]
    assert passes[2] == 150
    assert min(passes) >= 140  # the 200 ms in flight when thermal jumped are flushed, not crossed
    assert all(skew(p) == -2 * MS for p in pairs)
    assert sum(dropped(pairer, 'thermal').values()) == dropped(pairer, 'thermal')[Drop.TIME_JUMP]


def test_a_loop_shorter_than_a_second_goes_on():
    rng = np.random.default_rng(4)
    stamps = camera(rng, 30, 0.5)
    events = sorted(
        event for loop in range(6) for stream in ('thermal', 'rgb')
        for event in arrivals(rng, stamps, stream, 5, loop * S // 2))
    pairer = make()
    pairs = play(pairer, events)
    assert all(skew(p) == 0 for p in pairs)
    assert len([p for p in pairs if events[p.rgb][0] > S * 5 // 2]) >= 9


def test_look_ahead_takes_the_nearer_partner():
    pairer = make(reference='rgb')
    assert pairer.add('thermal', EPOCH - 15 * MS, 'far', 0) == []
    assert pairer.add('rgb', EPOCH, 'ref', 1 * MS) == []
    pairer.add('thermal', EPOCH + 1 * MS, 'near', 2 * MS)
    pairs = pairer.poll(100 * MS)
    assert [(p.thermal, p.rgb, skew(p)) for p in pairs] == [('near', 'ref', 1 * MS)]
    assert dropped(pairer, 'thermal') == {Drop.NO_PARTNER: 1}


def test_an_exact_pair_leaves_at_once_when_the_rate_is_known():
    pairer = make()
    for k in range(40):
        stamp = EPOCH + k * 33 * MS
        pairs = pairer.add('thermal', stamp - 3 * MS, k, k * 33 * MS)
        pairs += pairer.add('rgb', stamp, k, k * 33 * MS + 1)
        if k >= 9:
            assert [p.rgb for p in pairs] == [k]


def test_of_two_references_the_nearer_gets_the_partner():
    pairer = make()
    pairer.add('rgb', EPOCH, 'a', 0)
    pairer.add('thermal', EPOCH + 12 * MS, 't', 1)
    pairs = pairer.add('rgb', EPOCH + 15 * MS, 'b', 2)
    pairs += pairer.poll(S // 10)
    assert [(p.rgb, p.thermal) for p in pairs] == [('b', 't')]
    assert dropped(pairer, 'rgb') == {Drop.NO_PARTNER: 1}


@pytest.mark.parametrize(('distance', 'paired'), [(20 * MS, 1), (20 * MS + 1, 0)])
def test_slop_is_inclusive(distance, paired):
    pairer = make()
    pairer.add('rgb', EPOCH, 'r', 0)
    pairer.add('thermal', EPOCH + distance, 't', 1)
    pairer.poll(S)
    assert pairer.paired == paired


def test_zero_slop_pairs_equal_stamps():
    pairer = make(slop_ms=0.0)
    pairer.add('rgb', EPOCH, 'r', 0)
    assert len(pairer.add('thermal', EPOCH, 't', 1)) == 1


def test_the_wait_is_bounded_and_ends_by_the_deadline():
    pairer = make(max_wait_ms=50.0)
    pairer.add('rgb', EPOCH, 'r', 10 * MS)
    pairer.add('thermal', EPOCH - 5 * MS, 't', 20 * MS)
    assert pairer.poll(59 * MS) == []
    assert len(pairer.poll(60 * MS)) == 1
    pairer.add('rgb', EPOCH + 33 * MS, 'r', 70 * MS)
    pairer.poll(120 * MS)
    assert dropped(pairer, 'rgb') == {Drop.NO_PARTNER: 1}
    pairer.add('thermal', EPOCH + 60 * MS, 't', 200 * MS)
    pairer.poll(200 * MS + S + 1)
    assert dropped(pairer, 'thermal') == {Drop.STALE: 1}
    assert balanced(pairer)


@pytest.mark.parametrize(('earlier', 'taken'), [([], []), (['early'], ['early'])])
def test_what_comes_after_the_deadline_is_no_forced_partner(earlier, taken):
    pairer = make(max_wait_ms=50.0)
    for name in earlier:
        pairer.add('thermal', EPOCH - 15 * MS, name, 0)
    pairer.add('rgb', EPOCH, 'r', 0)
    pairs = pairer.add('thermal', EPOCH + 12 * MS, 'late', 51 * MS)
    assert [p.thermal for p in pairs] == taken
    # A partner that is certain is taken even then.
    pairer.add('rgb', EPOCH + 33 * MS, 's', 60 * MS)
    assert [p.rgb for p in pairer.add('thermal', EPOCH + 33 * MS, 't', 200 * MS)] == ['s']


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
def test_drops_with_a_slop_of_a_whole_period_pair_no_neighbours(reference):
    rng = np.random.default_rng(5)
    frames = np.arange(3000)
    lost = rng.random((2, 3000)) < 0.02
    events = []
    for stream, gone in zip(('thermal', 'rgb'), lost):
        stamps = [EPOCH + int(k) * 33_333_333 + int(rng.normal(0, MS)) for k in frames[~gone]]
        events += arrivals(rng, stamps, stream, 5)
    events.sort()
    pairer = make(slop_ms=34.0, max_wait_ms=80.0, reference=reference)
    pairs = play(pairer, events)
    here = {stream: set(frames[~gone]) for stream, gone in zip(('thermal', 'rgb'), lost)}
    good = 0
    for pair in pairs:
        t = round((pair.thermal_stamp_ns - EPOCH) / 33_333_333)
        r = round((pair.rgb_stamp_ns - EPOCH) / 33_333_333)
        good += t == r
        # Two neighbours whose own partners were both lost are within the slop asked for.
        assert t == r or (t not in here['rgb'] and r not in here['thermal'])
    assert good == np.sum(~lost[0] & ~lost[1])
    assert 'sync.slop_ms 34.0 is' in pairer.pairing.advice()


def test_advice_is_silent_below_half_a_period():
    pairer = make(slop_ms=15.0)
    for k in range(20):
        for stream in ('thermal', 'rgb'):
            pairer.add(stream, EPOCH + k * 33 * MS, k, k * 33 * MS)
    assert pairer.pairing.advice() == ''


def test_a_clock_offset_is_taken_out_for_matching_only():
    rng = np.random.default_rng(6)
    rgb = camera(rng, 30, 5)
    thermal = [stamp + 25 * MS for stamp in rgb]
    events = sorted(arrivals(rng, thermal, 'thermal', 0) + arrivals(rng, rgb, 'rgb', 5))
    pairs = play(make(thermal_offset_ms=-25.0), events)
    assert len(pairs) == len(rgb)
    assert {p.error_ns for p in pairs} == {0}
    assert {skew(p) for p in pairs} == {25 * MS}
    assert [p.thermal_stamp_ns for p in pairs] == thermal


def test_frames_out_of_order_pair_while_no_newer_pair_has_left():
    pairer = make()
    pairs = []
    t = 33 * MS
    for stream, k in (('rgb', 0), ('thermal', 0), ('rgb', 2), ('rgb', 1),
                      ('thermal', 1), ('thermal', 2), ('rgb', 3), ('thermal', 3)):
        pairs += pairer.add(stream, EPOCH + k * t, k, k)
    assert [(p.rgb, p.thermal) for p in pairs] == [(k, k) for k in range(4)]
    pairer.add('rgb', EPOCH + t + 1, 'late', 9)
    assert dropped(pairer, 'rgb') == {Drop.STALE: 1}


def feed(pairer, first, count, now=0):
    pairs = []
    for k in range(count):
        for stream in ('thermal', 'rgb'):
            pairs += pairer.add(stream, first + k * 33 * MS, k, now + k * 33 * MS)
    return pairs


@pytest.mark.parametrize(('stamp', 'reason'), [
    (0, Drop.OUTLIER), (EPOCH + 13 * S, Drop.OUTLIER), (EPOCH - 3600 * S, Drop.OUTLIER),
    (-2**31 * S, Drop.OUTLIER), (EPOCH + 9 * 33 * MS, Drop.DUPLICATE),
    (EPOCH + 8 * 33 * MS, Drop.DUPLICATE), (EPOCH + 100, Drop.STALE)])
def test_one_wrong_stamp_is_counted_and_costs_no_pair(stamp, reason):
    pairer = make()
    feed(pairer, EPOCH, 10, now=EPOCH)
    pairer.add('thermal', stamp, 'wrong', EPOCH + 10 * 33 * MS - 1)
    pairs = feed(pairer, EPOCH + 10 * 33 * MS, 10, now=EPOCH + 10 * 33 * MS)
    assert [p.rgb for p in pairs] == list(range(10))
    assert dropped(pairer, 'thermal') == {reason: 1}
    assert pairer.jumps == []


@pytest.mark.parametrize(('step', 'outlier'), [
    (S, False), (S + 1, True), (-S, False), (-S - 1, True)])
def test_beyond_a_second_one_stamp_is_not_believed(step, outlier):
    pairer = make(max_wait_ms=1000.0)
    for number, stamp in enumerate((EPOCH, EPOCH + step, EPOCH + 33 * MS)):
        pairer.add('rgb', stamp, number, 0)
    pairer.reset()
    assert dropped(pairer, 'rgb') == (
        {Drop.OUTLIER: 1, Drop.RESET: 2} if outlier else {Drop.RESET: 3})


@pytest.mark.parametrize('step', [3600 * S, -3600 * S, -2 * S, 2**31 * S - EPOCH - 60 * S])
def test_a_time_jump_loses_no_frame(step):
    pairer = make()
    feed(pairer, EPOCH, 10)
    pairs = feed(pairer, EPOCH + step, 10, now=10 * 33 * MS)
    assert [p.rgb_stamp_ns for p in pairs] == [EPOCH + step + k * 33 * MS for k in range(10)]
    assert dropped(pairer, 'rgb') == dropped(pairer, 'thermal') == {}
    assert 'jumped by' in pairer.jumps[-1]


def test_two_cameras_that_agree_confirm_a_jump_at_once():
    pairer = make()
    feed(pairer, EPOCH, 10)
    assert pairer.add('thermal', EPOCH - 9 * S, 't', S) == []
    assert [p.thermal for p in pairer.add('rgb', EPOCH - 9 * S, 'r', S + 1)] == ['t']


def test_slow_cameras_replayed_ten_times_as_fast_lose_nothing():
    pairer = make()
    pairs = []
    for k in range(30):
        for stream in ('thermal', 'rgb'):
            pairs += pairer.add(stream, EPOCH + k * 5 * S, k, k * S // 2)
        pairs += pairer.poll(k * S // 2 + 60 * MS)
    assert [p.rgb for p in pairs] == list(range(30))


def test_a_slow_camera_and_an_hour_of_silence_are_no_jump():
    pairer = make()
    for k, second in enumerate((0, 3, 6, 9, 3609, 3612)):
        for stream in ('thermal', 'rgb'):
            pairs = pairer.add(stream, EPOCH + second * S, k, second * S)
        pairs += pairer.poll(second * S + 60 * MS)
        assert [p.rgb for p in pairs] == [k]
    assert pairer.jumps == []


@pytest.mark.parametrize('pause', [2 * S, 3600 * S])
def test_a_replay_that_was_paused_goes_on_at_once(pause):
    pairer = make()
    feed(pairer, EPOCH, 10)
    pairer.poll(pause // 2)
    pairs = feed(pairer, EPOCH + 10 * 33 * MS, 10, now=pause)
    assert [p.rgb for p in pairs] == list(range(10))
    assert pairer.jumps == [] and dropped(pairer, 'rgb') == {}


def test_the_arrival_clock_may_fall_back():
    pairer = make()
    pairer.add('rgb', EPOCH, 'r', 100 * S)
    assert pairer.poll(5 * S) == []
    pairer.poll(5 * S + 60 * MS)
    assert dropped(pairer, 'rgb') == {Drop.NO_PARTNER: 1}
    assert len(feed(pairer, EPOCH + 33 * MS, 5, now=6 * S)) == 5


def test_reset_hands_out_what_pairs_and_drops_the_rest():
    pairer = make()
    pairer.add('thermal', EPOCH - 5 * MS, 't', 0)
    pairer.add('rgb', EPOCH, 'r', 1)
    pairer.add('rgb', EPOCH + 33 * MS, 's', 2)
    assert [p.rgb for p in pairer.reset()] == ['r']
    assert dropped(pairer, 'rgb') == {Drop.RESET: 1}
    pairer.add('rgb', EPOCH + 66 * MS, 'u', 3)
    assert pairer.reset(Drop.TIME_JUMP) == []
    assert dropped(pairer, 'rgb') == {Drop.RESET: 1, Drop.TIME_JUMP: 1}
    assert pairer.jumps == []
    assert len(feed(pairer, EPOCH - 9 * S, 3)) == 3
    assert balanced(pairer)


def test_a_full_queue_drops_the_oldest():
    pairer = make(queue_size=3, max_wait_ms=1000.0)
    for k in range(5):
        pairer.add('thermal', EPOCH + k * 33 * MS, k, k)
    assert dropped(pairer, 'thermal') == {Drop.QUEUE_FULL: 2}
    assert len(pairer.add('rgb', EPOCH + 2 * 33 * MS, 'r', 6)) <= 1
    assert balanced(pairer)


stamps = st.one_of(
    st.integers(EPOCH, EPOCH + 300 * MS),
    st.sampled_from([0, 1, -2**31 * S, 2**31 * S, EPOCH + 3600 * S, EPOCH - 3600 * S,
                     EPOCH + 10 * S, EPOCH + 33 * MS]))
messages = st.lists(st.tuples(
    st.sampled_from(['thermal', 'rgb', 'poll', 'reset']), stamps,
    st.one_of(st.integers(0, 50 * MS), st.sampled_from([-S, S, 3600 * S]))), max_size=60)


@settings(max_examples=300, deadline=None)
@given(messages, st.sampled_from(['thermal', 'rgb']), st.integers(2, 8))
def test_any_input_balances_and_good_frames_recover(events, reference, queue_size):
    pairer = make(reference=reference, queue_size=queue_size)
    now, pairs = EPOCH, []
    for index, (kind, stamp, step) in enumerate(events):
        now += step
        if kind == 'poll':
            pairs += pairer.poll(now)
        elif kind == 'reset':
            pairs += pairer.reset()
        else:
            pairs += pairer.add(kind, stamp, index, now)
        assert balanced(pairer)
    assert pairer.paired == len(pairs)
    assert all(abs(p.error_ns) <= 20 * MS for p in pairs)
    for stream in ('thermal', 'rgb'):
        used = [getattr(p, stream) for p in pairs]
        assert len(used) == len(set(used))
    start = max(now, EPOCH) + 20 * S
    good = feed(pairer, start, 4, now=start)
    good += pairer.poll(start + S // 2)
    assert [p.rgb for p in good if p.rgb_stamp_ns >= start][-2:] == [2, 3]
    assert all_accounted_for(pairer)


gaps = st.lists(st.integers(31, 40), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(gaps, gaps, st.integers(-60, 60))
def test_with_a_slop_below_half_a_period_each_pair_is_the_nearest(ref_gaps, other_gaps, offset):
    refs = [int(t) for t in EPOCH + np.cumsum(ref_gaps) * MS]
    others = [int(t) for t in EPOCH + (offset + np.cumsum(other_gaps)) * MS + MS // 3]
    events = sorted([(t, 'rgb', t) for t in refs] + [(t, 'thermal', t) for t in others])
    pairer = make(slop_ms=15.0, queue_size=50, max_wait_ms=10_000.0)
    pairs = []
    for now, stream, stamp in events:
        pairs += pairer.add(stream, stamp, stamp, now)
    pairs += pairer.poll(EPOCH + 20 * S)
    near = [(r, o) for r in refs for o in others if abs(r - o) <= 15 * MS]
    assert [(p.rgb, p.thermal) for p in pairs] == near


@pytest.mark.parametrize('reference', ['rgb', 'thermal'])
@pytest.mark.parametrize('phase_ms', [-12, 0, 8, 10, 11, 12])
def test_jitter_at_any_phase_costs_no_pair(phase_ms, reference):
    rng = np.random.default_rng(20 + phase_ms)
    thermal = camera(rng, 30, 20, 0.0, 3.0)
    rgb = camera(rng, 30, 20, phase_ms, 3.0)
    possible, total = least_total_error(thermal, rgb, 16 * MS)
    pairer = make(slop_ms=16.0, max_wait_ms=250.0, reference=reference)
    pairs = play(pairer, sorted(
        arrivals(rng, thermal, 'thermal', 5) + arrivals(rng, rgb, 'rgb', 9)))
    assert possible >= len(pairs) >= 0.995 * possible
    assert np.mean([abs(skew(p)) for p in pairs]) == pytest.approx(total / possible, rel=0.005)


@pytest.mark.parametrize('hz', [4, 10, 30])
def test_the_first_pairs_need_not_wait_until_the_rate_is_known(hz):
    pairer = make(slop_ms=16.0, max_wait_ms=250.0)
    period = S // hz
    for k in range(12):
        pairs = pairer.add('thermal', EPOCH + k * period, k, k * period)
        pairs += pairer.add('rgb', EPOCH + k * period + 4 * MS, k, k * period + 4 * MS)
        assert [p.rgb for p in pairs] == [k]


@pytest.mark.parametrize('wait_ms', [0, 200])
def test_of_two_contested_frames_both_are_paired(wait_ms):
    pairer = make()
    pairs = []
    for now, stream, stamp in [
            (0, 'thermal', 0), (16, 'rgb', 16), (27, 'thermal', 27), (44, 'rgb', 44),
            (68, 'thermal', 68), (70, 'rgb', 70)]:
        pairs += pairer.add(stream, EPOCH + stamp * MS, stamp, (now + wait_ms) * MS)
    pairs += pairer.poll(S)
    # 27 is nearer to 16 than 0 is, but then 0 and 44 would stay alone.
    assert [(p.thermal, p.rgb) for p in pairs] == [(0, 16), (27, 44), (68, 70)]


@pytest.mark.parametrize(('refs', 'others', 'slop', 'expected'), [
    ([], [1], 5, []),
    ([1], [], 5, []),
    ([10], [4, 15], 5, [(0, 1)]),
    ([10], [4, 16], 5, []),
    ([10], [5, 15], 5, [(0, 0)]),                 # equal distance: the earlier
    ([7], [7], 0, [(0, 0)]),
    ([0, 15], [12], 20, [(1, 0)]),                # of two references the nearer
    ([0, 10, 20], [1, 11, 21], 5, [(0, 0), (1, 1), (2, 2)]),
    ([0, 10], [9, 12], 20, [(0, 0), (1, 1)]),     # two pairs rather than the closest one
    ([10, 20, 30], [1, 11, 21], 10, [(0, 1), (1, 2)]),  # but all do not move on for one more
    ([0, 100, 103], [101, 200], 5, [(1, 0)]),
])
def test_many_pairs_with_small_errors(refs, others, slop, expected):
    assert match(refs, others, slop) == expected


def worth(refs, others, slop, matched):
    return sum(3 * slop - 2 * abs(refs[i] - others[j]) + 1 for i, j in matched)


def most_worth(refs, others, slop):
    """The largest worth of any matching, by the full table."""
    before = [0] * (len(others) + 1)
    for ref in refs:
        row = [0]
        for j, other in enumerate(others):
            most = max(before[j + 1], row[j])
            if abs(ref - other) <= slop:
                most = max(most, before[j] + 3 * slop - 2 * abs(ref - other) + 1)
            row.append(most)
        before = row
    return before[-1]


some_stamps = st.lists(st.integers(0, 200), max_size=12, unique=True).map(sorted)


@settings(max_examples=200, deadline=None)
@given(some_stamps, some_stamps, st.integers(0, 40))
def test_no_matching_is_worth_more(refs, others, slop):
    matched = match(refs, others, slop)
    assert all(a < c and b < d for (a, b), (c, d) in zip(matched, matched[1:]))
    assert all(abs(refs[i] - others[j]) <= slop for i, j in matched)
    assert worth(refs, others, slop, matched) == most_worth(refs, others, slop)
