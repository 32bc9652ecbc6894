"""The network to compare with has the published size and uses both cameras."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

import seafusion_shape  # noqa: E402


def test_it_has_the_published_size():
    network = seafusion_shape.make()
    assert sum(p.numel() for p in network.parameters()) == 166_883
    assert seafusion_shape.gmac(network, 480, 640) == pytest.approx(51.0, rel=0.01)


def test_its_operations_are_those_that_pytorch_counts():
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False) as counter:
        seafusion_shape.make()(torch.zeros(1, 1, 16, 24), torch.zeros(1, 1, 16, 24))
    expected = seafusion_shape.gmac(seafusion_shape.make(), 16, 24)
    assert counter.get_total_flops() / 2e9 == pytest.approx(expected, rel=1e-9)


def test_the_gradient_is_that_of_sobel():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert torch.all(seafusion_shape._Gradient(1)(ramp)[..., 1:-1, 1:-1] == 8.0)


def test_the_exported_graph_computes_what_pytorch_computes():
    onnxruntime = pytest.importorskip('onnxruntime')
    thermal, luma = torch.rand(2, 1, 1, 32, 48)
    session = onnxruntime.InferenceSession(
        seafusion_shape.onnx_bytes(32, 48), providers=['CPUExecutionProvider'])
    fused, = session.run(None, {'thermal': thermal.numpy(), 'luma': luma.numpy()})
    expected = seafusion_shape.make()(thermal, luma)
    assert fused.shape == (1, 1, 32, 48)
    assert torch.allclose(torch.from_numpy(fused), expected, atol=1e-5)
    # Both cameras count.
    network = seafusion_shape.make()
    assert not torch.allclose(network(thermal, luma), network(luma, luma), atol=1e-4)
