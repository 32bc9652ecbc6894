"""Whatever raises costs its own pair alone: the next is fused, and each failure is counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import time
from typing import Any

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.context import Context  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402

from uaafusion_ros.engine.contract import Backend  # noqa: E402
from uaafusion_ros.engine.contract import ModelSpec  # noqa: E402
from uaafusion_ros.errors import EngineError  # noqa: E402
from uaafusion_ros.nodes import fusion_node  # noqa: E402
from uaafusion_ros.nodes.messages import image_from_array  # noqa: E402
from uaafusion_ros.stream.timeline import Drop  # noqa: E402

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
    """Return the runtime of the `node`."""
    return FaultyBackend()


@pytest.fixture
def node(backend: FaultyBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return an active node whose fused image is always wanted, and heard by `node.sent`."""
    monkeypatch.setattr(fusion_node, 'make_backend', lambda settings: backend)
    context = Context()
    rclpy.init(context=context)
    node = fusion_node.FusionNode(context=context)
    assert node.trigger_configure() == OK and node.trigger_activate() == OK
    node.sent = []
    monkeypatch.setattr(node._outputs, 'wanted', lambda: {'fused/image'})
    monkeypatch.setattr(node._outputs._publishers['fused/image'], 'publish', node.sent.append)
    yield node
    assert node.close(5.0)
    node.destroy_node()
    context.try_shutdown()


def _image(camera: str, number: int) -> bytes:
    shape, encoding = ((4, 6, 3), 'rgb8') if camera == 'rgb' else ((4, 6), 'mono8')
    return serialize_message(image_from_array(
        np.zeros(shape, np.uint8), encoding, (1_700_000_000_000 + 100 * number) * 10 ** 6, camera))


def _send_pair(node: Any, number: int) -> dict[str, int]:
    for camera in ('rgb', 'thermal'):
        node._inputs.receive(camera, _image(camera, number))
    node._dispatcher.reset(Drop.RESET)
    deadline = time.monotonic() + 5.0
    while node._counters.snapshot()['in_flight'] and time.monotonic() < deadline:
        time.sleep(0.002)
    return node._counters.snapshot()


def test_an_inference_that_raises_costs_one_pair(node, backend):
    """Each second pair fails, each time in another way."""
    for number, fault in enumerate(RAISED):
        backend.fault = fault
        counts = _send_pair(node, 2 * number)
        assert counts['dropped.pair.failed'] == number + 1, fault
        counts = _send_pair(node, 2 * number + 1)
        assert counts['fused'] == len(node.sent) == number + 1, f'after {fault!r}'
    assert counts['paired'] == 2 * len(RAISED) and counts['in_flight'] == 0


def test_a_publisher_that_raises_costs_one_pair(node, monkeypatch):
    """The worker outlives it, too."""
    publisher = node._outputs._publishers['fused/image']

    def fail(message):
        raise RuntimeError('the middleware is gone')

    with monkeypatch.context() as patch:
        patch.setattr(publisher, 'publish', fail)
        assert _send_pair(node, 0)['dropped.pair.failed'] == 1
    monkeypatch.setattr(publisher, 'publish', node.sent.append)
    assert _send_pair(node, 1)['fused'] == len(node.sent) == 1


def test_a_message_that_raises_on_reading_is_counted(node):
    """Memory may end while an image is read: its count is balanced, and the next pair is fused."""
    node._inputs.receive('rgb', Unreadable(_image('rgb', 0)))
    counts = _send_pair(node, 1)
    assert counts['dropped.rgb.malformed'] == 1
    assert counts['fused'] == len(node.sent) == 1
    assert counts['pending.rgb'] == counts['pending.thermal'] == 0
