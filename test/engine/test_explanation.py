"""The values inside the shipped graph that explain its outputs."""

import numpy as np
import pytest

onnx = pytest.importorskip('onnx')

from uaafusion_ros.engine import models  # noqa: E402
from uaafusion_ros.engine.explanation import explain  # noqa: E402
from uaafusion_ros.engine.loading import load_backend  # noqa: E402
from uaafusion_ros.errors import EngineError  # noqa: E402
from uaafusion_ros.errors import ModelFileError  # noqa: E402


@pytest.fixture(scope='module')
def model():
    return models.load(*models.shipped('fast'))


@pytest.fixture(scope='module')
def pair():
    rng = np.random.default_rng(0)
    rgb = np.repeat(np.repeat(rng.integers(0, 256, (6, 8, 3), np.uint8), 16, 0), 16, 1)
    thermal = np.repeat(np.repeat(rng.integers(0, 256, (6, 8), np.uint8), 16, 0), 16, 1)
    return rgb, thermal


def test_the_outputs_are_those_of_the_node(model, pair):
    data, _ = model
    backend = load_backend(backend='onnxruntime')
    try:
        plain = backend.infer(*pair)
    finally:
        backend.close()
    found = explain(data, *pair)
    np.testing.assert_array_equal(found.output.fused, plain.fused)
    np.testing.assert_array_equal(found.output.mask, plain.mask)


def test_the_values_are_what_they_are_called(model, pair):
    data, spec = model
    rgb, thermal = pair
    found = explain(data, rgb, thermal)
    assert found.gain_thermal.shape == found.gain_rgb.shape == (len(spec.classes),)
    assert (abs(found.gain_thermal) <= 1).all()
    assert found.w_thermal.shape == thermal.shape
    assert 0 < found.w_thermal.min() and found.w_thermal.max() < 1
    assert found.attention.shape[0] == len(found.iterates) - 1
    # The last iterate, clipped, is the luma that the fused image got.
    rgb = rgb.astype(float)
    luma = rgb @ (0.299, 0.587, 0.114)
    shift = found.iterates[-1].clip(0, 1) * 255 - luma
    want = np.clip(rgb + shift[..., None], 0, 255)
    assert abs(found.output.fused - want).max() <= 0.51


def test_a_model_without_these_names_is_refused():
    value = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node('Identity', ['x'], ['y'])
    graph = onnx.helper.make_model(onnx.helper.make_graph([node], 'g', [value], [other]))
    with pytest.raises(ModelFileError, match='names no gain_thermal'):
        explain(graph.SerializeToString(), None, None)


def test_a_size_that_does_not_fit_is_an_error_of_one_line(model):
    with pytest.raises(EngineError, match='cannot be run on') as caught:
        explain(model[0], np.zeros((64, 64, 3), np.uint8), np.zeros((32, 64), np.uint8))
    assert '\n' not in str(caught.value)
