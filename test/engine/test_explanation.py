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
    # More outputs leave the runtime fewer operators to join, so that a value on the edge between
    # two levels may round the other way.
    steps = np.abs(found.output.fused.astype(int) - plain.fused)
    assert steps.max() <= 1 and (steps > 0).mean() < 1e-3
    np.testing.assert_array_equal(found.output.mask, plain.mask)


def test_the_values_are_what_they_are_called(model, pair):
    data, spec = model
    rgb, thermal = pair
    found = explain(data, rgb, thermal)
    assert found.unit == 'nats'
    maps = (found.information_thermal, found.information_rgb, found.w_thermal, found.targets)
    assert len({values.shape for values in maps}) == 1
    assert all(np.isfinite(values).all() and values.min() >= 0 for values in maps)
    assert 0 < found.w_thermal.min() and found.w_thermal.max() < 1
    assert found.targets.max() <= 1
    # More information means more weight.
    more = found.information_thermal > found.information_rgb
    np.testing.assert_array_equal(found.w_thermal > 0.5, more)
    # The last iterate, clipped, is the luma that the fused image got.
    assert found.iterates.shape[1:] == thermal.shape
    rgb = rgb.astype(float)
    luma = rgb @ (0.299, 0.587, 0.114)
    shift = found.iterates[-1].clip(0, 1) * 255 - luma
    want = np.clip(rgb + shift[..., None], 0, 255)
    assert abs(found.output.fused - want).max() <= 0.51


def test_what_a_graph_names_is_read_by_its_name(pair):
    """Of a graph made by hand: each name has a value of its own."""
    helper, kind = onnx.helper, onnx.TensorProto
    values = {'information_thermal': 3.0, 'information_rgb': 0.5, 'w_thermal': 0.75,
              'targets': 0.25, 'iterate_1': 0.1, 'iterate_2': 0.2}
    nodes = [helper.make_node('Identity', ['rgb'], ['fused']),
             helper.make_node('Identity', ['thermal'], ['mask']),
             helper.make_node('Identity', ['thermal'], ['confidence'])]
    nodes += [helper.make_node('Constant', [], [name], value=helper.make_tensor(
        name, kind.FLOAT, [1, 1, 1, 2], [value, value])) for name, value in values.items()]
    shapes = {'rgb': 3, 'thermal': 2, 'fused': 3, 'mask': 2, 'confidence': 2}
    inputs, outputs = ([helper.make_tensor_value_info(
        name, kind.UINT8, [None, None, 3][:shapes[name]]) for name in names]
        for names in (('rgb', 'thermal'), ('fused', 'mask', 'confidence')))
    graph = helper.make_model(helper.make_graph(nodes, 'g', inputs, outputs),
                              opset_imports=[helper.make_opsetid('', 18)], ir_version=8)
    found = explain(graph.SerializeToString(), *pair)
    np.testing.assert_array_equal(found.output.fused, pair[0])
    for name in ('information_thermal', 'information_rgb', 'w_thermal', 'targets'):
        np.testing.assert_array_equal(getattr(found, name), np.float32([[values[name]] * 2]))
    np.testing.assert_array_equal(found.iterates, np.float32([[[0.1, 0.1]], [[0.2, 0.2]]]))


def test_a_model_without_these_names_is_refused():
    value = onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info('y', onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node('Identity', ['x'], ['y'])
    graph = onnx.helper.make_model(onnx.helper.make_graph([node], 'g', [value], [other]))
    with pytest.raises(ModelFileError, match='names no information_thermal'):
        explain(graph.SerializeToString(), None, None)


def test_a_size_that_does_not_fit_is_an_error_of_one_line(model):
    with pytest.raises(EngineError, match='cannot be run on') as caught:
        explain(model[0], np.zeros((64, 64, 3), np.uint8), np.zeros((32, 64), np.uint8))
    assert '\n' not in str(caught.value)
