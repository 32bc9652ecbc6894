"""Frames in, jobs out: what is refused, what waits, what is published alone."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from uaafusion_ros.frames import Frame  # noqa: E402
from uaafusion_ros.nodes import flow as flow_module  # noqa: E402
from uaafusion_ros.nodes.flow import Flow  # noqa: E402
from uaafusion_ros.nodes.tally import Tally  # noqa: E402
from uaafusion_ros.nodes.voice import Voice  # noqa: E402
from uaafusion_ros.settings import Settings  # noqa: E402
from uaafusion_ros.stream.timeline import Drop  # noqa: E402

pytestmark = pytest.mark.ros
START_NS = 1_700_000_000 * 10**9
STEP_NS = 100_000_000


class Bench:
    """A flow on a clock of its own; both the node's clock and the arrival clock follow it."""

    def __init__(self, monkeypatch, **values):
        self.now_ns, self.jobs, self.tally = START_NS, [], Tally()
        self.hold, self.begun = Event(), Event()
        self.hold.set()
        self.errors = []
        monkeypatch.setattr(flow_module.time, 'monotonic_ns', lambda: self.now_ns)
        logger = SimpleNamespace(error=self.errors.append, warning=self.errors.append)
        clock = SimpleNamespace(
            ros_time_is_active=True, now=lambda: SimpleNamespace(nanoseconds=self.now_ns))
        self.settings = Settings().changed(values)
        self.flow = Flow(self.settings, clock, self.tally, Voice(logger, 0.0), self._work)
        self._number = 0

    def _work(self, job):
        self.begun.set()
        self.hold.wait(10.0)
        self.jobs.append(job)
        self.tally.add('fused' if job.pair else 'shown')

    def send(self, camera, stamp_ns=None, frozen=False):
        self._number += 0 if frozen else 1
        shape = (4, 6, 3) if camera == 'rgb' else (4, 6)
        self.flow.take(camera, Frame(
            np.full(shape, self._number % 250, np.uint8),
            self.now_ns if stamp_ns is None else stamp_ns, camera,
            'rgb8' if camera == 'rgb' else 'mono8'))

    def step(self, *cameras, **options):
        self.now_ns += STEP_NS
        for camera in cameras:
            self.send(camera, **options)
        self.flow.poll()
        self.settle()

    def settle(self):
        for _ in range(500):
            counts = self.tally.snapshot()
            if not counts['in_flight'] and not counts['in_flight.alone']:
                return
            Event().wait(0.005)
        raise AssertionError(counts)


@pytest.fixture
def bench(monkeypatch):
    made = []

    def make(**values):
        made.append(Bench(monkeypatch, **values))
        return made[-1]
    yield make
    for each in made:
        each.hold.set()
        assert each.flow.stop(5.0)


def test_pairs_go_to_the_worker(bench):
    one = bench()
    for _ in range(5):
        one.step('rgb', 'thermal')
    assert [job.kind for job in one.jobs][-3:] == ['pair'] * 3
    assert one.flow.health().mode.value == 'FUSED'
    assert one.flow.skew().skew_p50_ms == 0.0


def test_frames_of_the_living_camera_go_alone(bench):
    one = bench()
    for _ in range(5):
        one.step('rgb', 'thermal')
    for _ in range(20):
        one.step('rgb')
    alone = [job for job in one.jobs if job.kind == 'alone']
    assert len(alone) >= 13 and {(job.mode, job.camera) for job in alone} == {('RGB_ONLY', 'rgb')}
    counts = one.tally.snapshot()
    assert counts['alone'] == counts['shown'] == len(alone)
    assert counts['received.rgb'] == 0, 'that is counted where messages come'


def test_a_frozen_thermal_image_is_not_paired(bench):
    one = bench()
    for _ in range(5):
        one.step('rgb', 'thermal')
    before = len([job for job in one.jobs if job.pair])
    for _ in range(8):
        one.now_ns += STEP_NS
        one._number += 1
        one.send('rgb')
        one.flow.take('thermal', Frame(np.full((4, 6), 7, np.uint8), one.now_ns, 't', 'mono8'))
        one.settle()
    assert one.tally.snapshot()['dropped.thermal.frozen'] >= 5
    assert one.flow.health().mode.value == 'THERMAL_FROZEN'
    assert len([job for job in one.jobs if job.pair]) <= before + 3


@pytest.mark.parametrize('stamp_ns, reason', [
    (0, Drop.ZERO_STAMP), (START_NS + 10 * 10**9, Drop.FUTURE)])
def test_wrong_stamps_are_refused_with_a_reason(bench, stamp_ns, reason):
    one = bench()
    one.send('rgb', stamp_ns)
    assert one.tally.snapshot()[f'dropped.rgb.{reason.value}'] == 1
    assert one.errors and 'rgb image dropped: its stamp' in one.errors[0]


def test_a_stamp_ahead_is_accepted_where_the_parameter_allows_it(bench):
    one = bench(**{'input.max_future_s': 20.0})
    one.send('rgb', START_NS + 10 * 10**9)
    assert f'dropped.rgb.{Drop.FUTURE.value}' not in one.tally.snapshot()


def test_a_busy_worker_gets_the_newest(bench):
    """And what was displaced is counted by its kind."""
    one = bench()
    one.hold.clear()
    for _ in range(4):
        one.now_ns += STEP_NS
        one.send('rgb')
        one.send('thermal')
        one.flow.reset(Drop.RESET)
        assert one.begun.wait(5.0)
    counts = one.tally.snapshot()
    assert (counts['paired'], counts['dropped.pair.superseded']) == (4, 2)
    one.hold.set()
    one.settle()
    assert one.jobs[-1].pair.rgb.stamp_ns == one.now_ns


def test_other_parameters_leave_the_mode_alone(bench):
    """A changed slop starts pairing anew, not the watch over the cameras."""
    one = bench()
    for _ in range(5):
        one.step('rgb', 'thermal')
    slop = one.settings.changed({'sync.slop_ms': 5.0})
    one.flow.change(slop)
    assert one.flow.health().mode.value == 'FUSED'
    one.flow.change(slop.changed({'mode.timeout_s': 5.0}))
    assert one.flow.health().mode.value == 'STALE'
