"""Compiling at once where it is quick, beside the node where it is not."""

from __future__ import annotations

from pathlib import Path
from threading import current_thread
from threading import Event
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
