"""Whatever raises costs its own pair alone: the next is fused, and each failure is counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from node_bench import NodeBench  # noqa: E402
from node_bench import STAMP_NS  # noqa: E402
from rclpy.lifecycle import LifecyclePublisher  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402

from uaafusion_ros.engine.contract import Backend  # noqa: E402
from uaafusion_ros.engine.contract import ModelSpec  # noqa: E402
from uaafusion_ros.errors import EngineError  # noqa: E402
from uaafusion_ros.nodes import fusion_node  # noqa: E402

pytestmark = pytest.mark.ros
SPEC = ModelSpec(Path('none.onnx'), '', 'none', ('background', 'thing'),
                 np.zeros((2, 3), np.uint8), 1)
OK = TransitionCallbackReturn.SUCCESS
RAISED = (EngineError('the runtime failed'), RuntimeError('out of memory'), MemoryError(),
          cv2.error('assertion'), ValueError(''), KeyError('rgb'), StopIteration(),
          AssertionError(), UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'reason'),
          RecursionError('deep'))


class FaultyBackend(Backend):
    """Not a model: raises what it is told to, once, and otherwise returns the inputs."""

    def __init__(self) -> None:
        """Begin without a fault."""
        super().__init__(SPEC, 'faulty')
        self.fault: BaseException | None = None

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return [rgb, thermal, thermal]

    def close(self) -> None:
        """Hold nothing."""


class Unreadable(bytes):
    """A message whose bytes cannot be had."""

    def __getitem__(self, item: Any) -> Any:
        """Raise, as when memory ends."""
        raise MemoryError('no bytes left')


@pytest.fixture
def backend() -> FaultyBackend:
    """Return the runtime of the `bench`."""
    return FaultyBackend()


@pytest.fixture
def bench(backend: FaultyBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[NodeBench]:
    """Return an active node whose fused image is heard."""
    monkeypatch.setattr(fusion_node, 'make_backend', lambda settings: backend)
    bench = NodeBench()
    assert bench.node.trigger_configure() == OK and bench.node.trigger_activate() == OK
    bench.hear('fused/image')
    yield bench
    assert bench.close()


def _send(bench: NodeBench, number: int) -> None:
    bench.send_pair(STAMP_NS + number * 10**8)


def _fused(bench: NodeBench, number: int) -> bool:
    """Wait until `number` fused images have come in all."""
    return bench.until(lambda: len(bench.heard['fused/image']) == number)


def test_an_inference_that_raises_costs_one_pair(bench, backend):
    """Each second pair fails, each time in another way."""
    for number, fault in enumerate(RAISED):
        backend.fault = fault
        _send(bench, 2 * number)
        assert bench.until(lambda: backend.fault is None), fault
        _send(bench, 2 * number + 1)
        assert _fused(bench, number + 1), f'after {fault!r}'
    values = bench.values()
    assert values['dropped.pair.failed'] == values['fused'] == str(len(RAISED))
    assert values['paired'] == str(2 * len(RAISED)) and values['in_flight'] == '0'


def test_a_publisher_that_raises_costs_one_pair(bench, monkeypatch):
    """The worker outlives it, too."""
    def fail(publisher, message):
        raise RuntimeError('the middleware is gone')

    with monkeypatch.context() as patch:
        patch.setattr(LifecyclePublisher, 'publish', fail)
        _send(bench, 0)
        assert bench.until(lambda: bench.values().get('dropped.pair.failed') == '1')
    _send(bench, 1)
    assert _fused(bench, 1) and bench.values()['fused'] == '1'


def test_a_message_that_raises_on_reading_is_counted(bench):
    """Memory may end while an image is read: its count is balanced, and the next pair is fused."""
    bench.callback('/rgb/image_raw')(Unreadable(b'any'))
    _send(bench, 1)
    assert _fused(bench, 1)
    values = bench.values()
    assert values['dropped.rgb.malformed'] == '1' and values['fused'] == '1'
    assert values['pending.rgb'] == values['pending.thermal'] == '0'
