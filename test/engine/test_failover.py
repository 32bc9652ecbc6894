"""A backend that fails costs speed, never the output, and is tried again ever more rarely."""

from threading import current_thread
from threading import Event
from threading import Thread
import time

import numpy as np
import pytest

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.failover import FailoverBackend
from uaafusion_ros.engine.failover import FIRST_RETRY_S
from uaafusion_ros.engine.failover import LAST_RETRY_S
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.errors import EngineError

SPEC = ModelSpec(None, '', 'tiny', ('a',), np.zeros((1, 3), np.uint8), 4)
RGB, THERMAL = np.zeros((4, 8, 3), np.uint8), np.zeros((4, 8), np.uint8)


class Scripted(Backend):
    """A backend whose mask says its number, and which raises what it is told to."""

    def __init__(self, number, name):
        super().__init__(SPEC, name)
        self.number = number
        self.sizes = set()
        self.prepared = 0
        self.closed = 0
        self.run_error = self.prepare_error = None
        self.hold = None
        self.threads = set()
        self.going_on = []

    def ready(self, height, width):
        return (height, width) in self.sizes

    def prepare(self, height, width, progress=None):
        self.prepared += 1
        while self.hold is not None and not self.hold.wait(0.01):
            self.going_on.append(progress('kernels', 0.5))
            if not self.going_on[-1]:
                raise EngineError('stopped on request')
        if self.prepare_error is not None:
            raise self.prepare_error
        self.sizes.add((height, width))

    def _run(self, rgb, thermal):
        self.threads.add(current_thread())
        if self.run_error is not None:
            raise self.run_error
        return [rgb.copy(), np.full_like(thermal, self.number), thermal.copy()]

    def close(self):
        self.closed += 1
        self.sizes.clear()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def scene():
    class Scene:
        clock = Clock()
        fast, slow = Scripted(1, 'gpu 1'), Scripted(2, 'cpu 2')
        spares = 0

        def load_spare(self):
            self.spares += 1
            return self.slow

        def ran(self):
            """Return which backend the next pair ran on."""
            return self.both.infer(RGB, THERMAL).mask[0, 0]

        def settle(self):
            """Wait for a preparation in the background."""
            deadline = time.monotonic() + 10
            while self.both.progress and time.monotonic() < deadline:
                time.sleep(0.001)
            assert not self.both.progress

    made = Scene()
    made.both = FailoverBackend(made.fast, made.load_spare, clock=made.clock)
    yield made
    made.both.close()


def test_once_prepared_the_spare_is_not_even_loaded(scene):
    scene.both.prepare(4, 8)
    assert scene.both.ready(4, 8)
    assert scene.ran() == 1
    assert (scene.both.name, scene.both.problem, scene.spares) == ('gpu 1', '', 0)


def test_the_gpu_has_its_memory_also_while_the_spare_runs(scene):
    assert scene.both.gpu_memory() is None
    scene.fast.gpu_memory = lambda: (1, 2)
    assert scene.ran() == 2
    assert scene.both.gpu_memory() == (1, 2)


def test_images_run_on_the_spare_while_the_engine_is_built(scene):
    scene.fast.hold = Event()
    assert scene.ran() == 2
    assert scene.ran() == 2
    while not scene.fast.going_on:
        time.sleep(0.001)
    assert scene.both.progress == 'gpu 1 for 8x4: kernels (50%)'
    assert (scene.both.problem, scene.both.name) == ('', 'cpu 2')
    scene.fast.hold.set()
    scene.settle()
    assert scene.ran() == 1
    assert (scene.both.progress, scene.fast.prepared, scene.spares) == ('', 1, 1)


def test_a_failing_run_costs_no_pair_and_is_a_problem_until_it_works_again(scene):
    scene.both.prepare(4, 8)
    scene.fast.run_error = RuntimeError('an illegal memory access was encountered')
    assert scene.ran() == 2
    assert scene.both.problem == (
        'gpu 1 failed: an illegal memory access was encountered; running on the processor, '
        'next try after 5 s')
    scene.fast.run_error = None
    assert scene.ran() == 2  # too early for another try
    assert (scene.fast.prepared, scene.fast.closed) == (1, 0)
    scene.clock.now += FIRST_RETRY_S
    assert scene.ran() == 2  # the try itself is in the background
    scene.settle()
    assert (scene.fast.prepared, scene.fast.closed) == (2, 1)
    assert scene.ran() == 1
    assert (scene.both.problem, scene.both.take_notes()) == ('', ['gpu 1 works again'])


def test_tries_become_rarer_and_never_spin(scene):
    scene.fast.run_error = EngineError('cudaErrorMemoryAllocation')
    tried = []
    for _ in range(4000):  # two hours and a quarter
        before = scene.fast.prepared
        assert scene.ran() == 2
        scene.settle()
        if scene.fast.prepared > before:
            tried.append(scene.clock.now)
        scene.clock.now += 2.0
    gaps = np.diff(tried)
    assert (gaps[1:] >= gaps[:-1]).all()
    assert gaps[0] <= 2 * FIRST_RETRY_S
    assert LAST_RETRY_S <= gaps[-1] <= LAST_RETRY_S + 4
    assert len(tried) < 25
    assert 'next try after 600 s' in scene.both.problem


def test_what_runs_for_long_starts_over_with_short_pauses(scene):
    for _ in range(4):
        scene.both.prepare(4, 8)
        scene.fast.run_error = EngineError('lost')
        scene.ran()
        scene.fast.run_error = None
        scene.clock.now += LAST_RETRY_S
        scene.ran()
        scene.settle()
    assert 'after 40 s' not in scene.both.problem
    scene.clock.now += LAST_RETRY_S
    assert scene.ran() == 1
    scene.fast.run_error = EngineError('lost')
    scene.ran()
    assert 'next try after 5 s' in scene.both.problem


def test_an_engine_that_cannot_be_built_is_a_problem(scene):
    scene.fast.prepare_error = EngineError('cudaMalloc failed: out of memory')
    with pytest.raises(EngineError, match='gpu 1 failed: cudaMalloc failed: out of memory'):
        scene.both.prepare(4, 8)
    assert scene.ran() == 2
    assert 'next try after 5 s' in scene.both.problem


def test_a_spare_that_fails_is_an_error_of_the_pair(scene):
    scene.fast.prepare_error = EngineError('no')
    scene.slow.run_error = EngineError('neither')
    with pytest.raises(EngineError, match='neither'):
        scene.ran()


def test_the_primary_is_never_run_and_prepared_at_once(scene):
    scene.both.prepare(4, 8)
    scene.fast.hold = Event()
    other = np.zeros((8, 8, 3), np.uint8)
    assert scene.both.infer(other, other[..., 0].copy()).mask[0, 0] == 2
    assert scene.ran() == 2  # its own size is ready, but the backend is busy with the other
    scene.fast.hold.set()
    scene.settle()
    assert scene.ran() == 1


def test_a_caller_waits_for_a_preparation_that_is_under_way(scene):
    scene.fast.hold = Event()
    scene.ran()
    waiting = Thread(target=scene.both.prepare, args=(4, 8))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    scene.fast.hold.set()
    waiting.join(10)
    assert not waiting.is_alive()
    assert scene.fast.prepared == 1


def test_the_callers_progress_can_stop_a_preparation(scene):
    scene.fast.hold = Event()
    with pytest.raises(EngineError, match='stopped on request'):
        scene.both.prepare(4, 8, lambda phase, share: share < 0.5)
    assert not scene.both.ready(4, 8)
    assert scene.ran() == 2


def test_close_stops_a_preparation_and_frees_both(scene):
    scene.fast.hold = Event()
    scene.ran()
    began = time.monotonic()
    scene.both.close()
    assert time.monotonic() - began < 5
    assert scene.fast.going_on[-1] is False
    assert scene.fast.closed >= 1
    assert scene.slow.closed == 1
    assert scene.both.problem == ''


def test_a_primary_that_does_not_close_is_said_and_not_raised(scene):
    scene.both.prepare(4, 8)

    def close():
        raise EngineError('cudaFree failed')

    scene.fast.close = close
    scene.both.close()
    assert scene.both.take_notes() == ['gpu 1 did not close cleanly: cudaFree failed']


def test_a_real_backend_stands_in():
    """The shipped model on the processor, behind a primary that never works."""
    spare = load_backend(backend='onnxruntime')
    broken = Scripted(1, 'gpu 1')
    broken.spec = spare.spec
    broken.prepare_error = EngineError('no memory')
    both = FailoverBackend(broken, lambda: spare)
    rgb = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    got, expected = both.infer(rgb, rgb[..., 0].copy()), spare.infer(rgb, rgb[..., 0].copy())
    np.testing.assert_array_equal(got.fused, expected.fused)
    np.testing.assert_array_equal(got.mask, expected.mask)
    both.close()
