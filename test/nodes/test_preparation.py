"""Compiling at once where it is quick, beside the node where it is not."""

from __future__ import annotations

from pathlib import Path
from threading import current_thread
from threading import enumerate as enumerate_threads
from threading import Event
from threading import Timer
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from uaafusion_ros.engine.contract import Backend  # noqa: E402
from uaafusion_ros.engine.contract import ModelSpec  # noqa: E402
from uaafusion_ros.errors import EngineError  # noqa: E402
from uaafusion_ros.nodes.preparation import Preparation  # noqa: E402

SPEC = ModelSpec(Path('m'), '', 'm', ('background',), np.zeros((1, 3), np.uint8), 1)


class SlowBackend(Backend):
    """A runtime whose engine takes until it is cancelled, or fails."""

    def __init__(self, ready):
        super().__init__(SPEC, 'slow')
        self.is_ready, self.asked, self.ended, self.threads = ready, Event(), Event(), []
        self.answers = []

    def ready(self, height, width):
        return self.is_ready

    def prepare(self, height, width, progress=None):
        self.threads.append(current_thread())
        self.size = (height, width)
        self.asked.set()
        if progress is None:
            return
        while progress('building', 0.5):
            Event().wait(0.01)
        self.ended.set()
        raise EngineError('stopped')

    def _run(self, rgb, thermal):
        raise AssertionError

    def close(self):
        pass


@pytest.fixture
def log():
    said = []
    return SimpleNamespace(warning=said.append, said=said)


def test_a_quick_runtime_is_ready_when_configuring_ends(log):
    backend = SlowBackend(ready=True)
    Preparation(backend, (640, 480), log)
    assert backend.threads == [current_thread()] and backend.size == (480, 640)


def test_without_a_size_nothing_is_prepared(log):
    backend = SlowBackend(ready=False)
    Preparation(backend, (0, 0), log)
    assert not backend.asked.wait(0.1)


def test_a_build_goes_on_beside_the_node_until_it_is_cancelled(log):
    backend = SlowBackend(ready=False)
    preparation = Preparation(backend, (640, 480), log)
    assert backend.asked.wait(5.0) and backend.threads != [current_thread()]
    assert not backend.ended.wait(0.1), 'nobody cancelled it'
    preparation.cancel()
    assert backend.ended.wait(5.0)
    backend.threads[0].join(5.0)
    assert log.said == [], 'what was cancelled is no fault'


def test_a_build_that_fails_is_told(log):
    backend = SlowBackend(ready=False)
    backend.prepare = lambda *_: (_ for _ in ()).throw(EngineError('no memory'))
    Preparation(backend, (640, 480), log)
    for _ in range(500):
        if log.said:
            break
        Event().wait(0.01)
    assert log.said == ['the engine was not prepared: no memory']


def settled(preparation, size):
    """Tell of images of a size until no thread prepares any more."""
    preparation.follow(size)
    for thread in enumerate_threads():
        if thread.name == 'preparation':
            thread.join(5.0)


def test_a_new_size_of_the_images_is_prepared_beside_the_node(log):
    backend = SlowBackend(ready=True)
    prepared = []
    backend.prepare = lambda *size: prepared.append((size[:2], current_thread()))
    preparation = Preparation(backend, (640, 480), log)
    for size in ((480, 640), (480, 640), (256, 320), (256, 320), (480, 640)):
        settled(preparation, size)
    assert [size for size, _ in prepared] == [(480, 640), (256, 320), (480, 640)]
    assert prepared[0][1] is current_thread() is not prepared[1][1]


def test_sizes_that_come_meanwhile_wait_and_none_is_forgotten(log):
    backend = SlowBackend(ready=False)
    preparation = Preparation(backend, (640, 480), log)
    assert backend.asked.wait(5.0)
    preparation.follow((256, 320))
    assert len(backend.threads) == 1
    backend.prepare = lambda *size: backend.threads.append(size[:2])
    preparation.cancel()
    settled(preparation, (256, 320))
    assert backend.threads[1:] == [(256, 320)]


@pytest.mark.parametrize('state', ['progress', 'problem'])
def test_a_backend_that_prepares_itself_or_has_failed_is_left_alone(log, state):
    backend = SlowBackend(ready=True)
    preparation = Preparation(backend, (0, 0), log)
    setattr(backend, state, 'building')
    settled(preparation, (480, 640))
    assert backend.threads == []


def test_giving_up_waits_for_what_cannot_be_stopped(log):
    backend, go = SlowBackend(ready=True), Event()
    backend.prepare = lambda *_: go.wait(5.0) and backend.ended.set()
    preparation = Preparation(backend, (0, 0), log)
    preparation.follow((480, 640))
    Timer(0.1, go.set).start()
    preparation.cancel()
    assert backend.ended.is_set()
