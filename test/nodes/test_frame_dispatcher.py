"""Decisions carried out: everything counted and logged, the newest job to the worker."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from uaafusion_ros.frames import Frame  # noqa: E402
from uaafusion_ros.nodes.counters import Counters  # noqa: E402
from uaafusion_ros.nodes.frame_dispatcher import FrameDispatcher  # noqa: E402
from uaafusion_ros.nodes.throttled_log import ThrottledLogger  # noqa: E402
from uaafusion_ros.settings import InputSettings  # noqa: E402
from uaafusion_ros.settings import Settings  # noqa: E402
from uaafusion_ros.stream.timeline import Drop  # noqa: E402

pytestmark = pytest.mark.ros
START_NS = 1_700_000_000 * 10**9
STEP_NS = 100_000_000


class Bench:
    """A dispatcher on a clock of its own; both the node's clock and the arrival clock follow."""

    def __init__(self, monkeypatch, settings=Settings()):
        self.now_ns, self.jobs, self.counters = START_NS, [], Counters()
        self.hold, self.begun = Event(), Event()
        self.hold.set()
        self.errors = []
        monkeypatch.setattr('time.monotonic_ns', lambda: self.now_ns)
        logger = SimpleNamespace(error=self.errors.append, warning=self.errors.append)
        clock = SimpleNamespace(
            ros_time_is_active=True, now=lambda: SimpleNamespace(nanoseconds=self.now_ns))
        self.dispatcher = FrameDispatcher(
            settings, clock, self.counters, ThrottledLogger(logger, 0.0), self._work)
        self._number = 0

    def _work(self, job):
        self.begun.set()
        self.hold.wait(10.0)
        self.jobs.append(job)
        self.counters.add('fused' if job.pair else 'shown')

    def send(self, *cameras, stamp_ns=None):
        for camera in cameras:
            self._number += 1
            self.dispatcher.on_frame(camera, Frame(
                np.full((4, 6), self._number % 250, np.uint8),
                self.now_ns if stamp_ns is None else stamp_ns, camera, 'mono8'))

    def step(self, *cameras):
        self.now_ns += STEP_NS
        self.send(*cameras)
        self.dispatcher.on_tick()
        self.settle()

    def settle(self):
        for _ in range(500):
            counts = self.counters.snapshot()
            if not counts['in_flight'] and not counts['in_flight.alone']:
                return
            Event().wait(0.005)
        raise AssertionError(counts)


@pytest.fixture
def bench(monkeypatch):
    made = []

    def make(*settings):
        made.append(Bench(monkeypatch, *settings))
        return made[-1]
    yield make
    for each in made:
        each.hold.set()
        assert each.dispatcher.stop(5.0)


def test_pairs_and_what_is_shown_alone_go_to_the_worker_and_are_counted(bench):
    one = bench()
    for _ in range(5):
        one.step('rgb', 'thermal')
    for _ in range(20):
        one.step('rgb')
    kinds = [job.kind for job in one.jobs]
    alone = kinds.count('alone')
    assert kinds == ['pair'] * 5 + ['alone'] * alone and alone >= 13
    counts = one.counters.snapshot()
    assert (counts['paired'], counts['fused']) == (5, 5)
    assert counts['alone'] == counts['shown'] == alone
    assert counts['received.rgb'] == 0, 'that is counted where messages come'


@pytest.mark.parametrize('stamp_ns, reason', [
    (0, Drop.ZERO_STAMP), (START_NS + 10 * 10**9, Drop.FUTURE)])
def test_wrong_stamps_are_refused_with_a_reason(bench, stamp_ns, reason):
    one = bench()
    one.send('rgb', stamp_ns=stamp_ns)
    assert one.counters.snapshot()[f'dropped.rgb.{reason.value}'] == 1
    assert one.errors and 'rgb image dropped: its stamp' in one.errors[0]


def test_a_stamp_ahead_is_accepted_where_the_parameter_allows_it(bench):
    one = bench(Settings(input=InputSettings(max_future_s=20.0)))
    one.send('rgb', stamp_ns=START_NS + 10 * 10**9)
    assert f'dropped.rgb.{Drop.FUTURE.value}' not in one.counters.snapshot()


def test_a_busy_worker_gets_the_newest_and_the_rest_is_counted(bench):
    """What was displaced, and what the end left undone."""
    one = bench()
    one.hold.clear()
    for _ in range(4):
        one.now_ns += STEP_NS
        one.send('rgb', 'thermal')
        one.dispatcher.reset(Drop.RESET)
        assert one.begun.wait(5.0)
    counts = one.counters.snapshot()
    assert (counts['paired'], counts['dropped.pair.superseded']) == (4, 2)
    assert not one.dispatcher.stop(0.01)
    assert one.counters.snapshot()['dropped.pair.deactivated'] == 1
    one.hold.set()
    one.settle()
    assert len(one.jobs) == 1
