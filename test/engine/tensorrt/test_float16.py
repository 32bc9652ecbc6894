"""The float16 graph: typed through and through, and float32 where it has to be."""

from collections import Counter

import numpy as np
import pytest

onnx = pytest.importorskip('onnx')

from half_rounding import AsWritten  # noqa: E402
from half_rounding import rounded  # noqa: E402

from uaafusion_ros.engine import models  # noqa: E402
from uaafusion_ros.engine.onnxruntime_backend import ONNXRuntimeBackend  # noqa: E402
from uaafusion_ros.engine.tensorrt import gate  # noqa: E402
from uaafusion_ros.engine.tensorrt.float16 import to_fp16  # noqa: E402
from uaafusion_ros.errors import EngineError  # noqa: E402

FLOAT, HALF, UINT8 = 1, 10, 2
helper = onnx.helper


@pytest.fixture(scope='module')
def fast():
    return models.load(*models.shipped('fast'))


@pytest.fixture(scope='module')
def pair():
    return next(one for one in gate.samples(128, 160) if one.name.startswith('scene'))


def typed(data):
    """Return a model and the element type of each of its tensors."""
    model = onnx.load_from_string(data)
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    types = {value.name: value.type.tensor_type.elem_type
             for value in (*graph.value_info, *graph.input, *graph.output)}
    types.update({tensor.name: tensor.data_type for tensor in graph.initializer})
    return model, types


def test_convolutions_are_half_and_the_rest_is_as_it_was(fast):
    data, spec = fast
    half = to_fp16(data)
    model, types = typed(half)
    convolutions = [node for node in model.graph.node if node.op_type == 'Conv']
    assert len(convolutions) > 90
    assert {types[name] for node in convolutions for name in (*node.input, *node.output)} == {HALF}
    original = onnx.load_from_string(data)
    assert model.graph.input == original.graph.input
    assert model.graph.output == original.graph.output
    assert model.metadata_props == original.metadata_props
    assert 0.4 < len(half) / len(data) < 0.55
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds['BatchNormalization'] == 0
    assert kinds['Cast'] < 40


def test_sums_over_pixels_and_the_ends_stay_in_float32(fast):
    model, types = typed(to_fp16(fast[0]))
    for node in model.graph.node:
        if node.op_type in ('Softmax', 'ReduceSum', 'ReduceMax', 'MatMul', 'Floor'):
            assert types[node.output[0]] == FLOAT, node.name
    made = {name: node for node in model.graph.node for name in node.output}
    for output in ('fused', 'confidence'):
        assert types[made[output].input[0]] == FLOAT


def test_named_layers_stay_in_float32(fast):
    model, types = typed(to_fp16(fast[0], (r'network\.fusion',)))
    seen = Counter()
    for node in model.graph.node:
        if node.op_type == 'Conv':
            ours = node.input[1].startswith('network.fusion')
            assert types[node.output[0]] == (FLOAT if ours else HALF)
            seen[ours] += 1
    assert seen[True] > 20 and seen[False] > 60


def test_a_name_that_keeps_nothing_is_refused(fast):
    with pytest.raises(EngineError, match='no layer of the model is called network.nothing'):
        to_fp16(fast[0], ('network.fusion', 'network.nothing'))


def test_with_every_layer_kept_it_computes_the_same(fast, pair):
    """What the conversion does besides rounding changes nothing."""
    data, spec = fast
    kept = ONNXRuntimeBackend(to_fp16(data, ('',)), spec, 1).infer(pair.rgb, pair.thermal)
    plain = ONNXRuntimeBackend(data, spec, 1).infer(pair.rgb, pair.thermal)
    assert np.abs(kept.fused.astype(int) - plain.fused).max() <= 1
    assert (kept.fused == plain.fused).mean() > 0.999
    assert (kept.mask == plain.mask).mean() > 0.999


def test_rounded_everywhere_it_is_within_the_gate(fast, pair):
    data, spec = fast
    report = gate.check(AsWritten(rounded(to_fp16(data)), spec, 1).infer,
                        ONNXRuntimeBackend(data, spec, 1).infer, [pair])
    assert report.passed, report.line()
    assert report.comparisons[0].fused_off > 0 or report.comparisons[0].confidence_off > 0


def test_the_conversion_is_repeatable(fast):
    """Else two builds of one key would differ."""
    assert to_fp16(fast[0]) == to_fp16(fast[0])


def graph(nodes, inputs, outputs, constants=()):
    # Like the deployed graph, whose last nodes make bytes, these end in a type of their own.
    nodes = [*nodes, *(helper.make_node('Cast', [f'{name}.typed'], [name], to=kind)
                       for name, kind, _ in outputs)]
    model = helper.make_model(
        helper.make_graph(
            nodes, 'g', [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            [onnx.numpy_helper.from_array(np.asarray(array, np.float32), name)
             for name, array in constants]),
        opset_imports=[helper.make_opsetid('', 18)], ir_version=8)
    return model.SerializeToString()


def run(data, **inputs):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    return session.run(None, inputs)


def test_a_sum_that_float16_cannot_hold_is_right():
    """300 x 300 pixels of 8 are 720000; float16 ends at 65504."""
    data = graph(
        [helper.make_node('Conv', ['x', 'w'], ['c']),
         helper.make_node('Reshape', ['c', 'flat'], ['f']),
         helper.make_node('ReduceSum', ['f', 'axis'], ['s'], keepdims=0),
         helper.make_node('Div', ['s', 'many'], ['m']),
         helper.make_node('Reshape', ['m', 'image'], ['i']),
         helper.make_node('Conv', ['i', 'w'], ['y.typed'])],
        [('x', FLOAT, [1, 1, 300, 300])], [('y', FLOAT, [1, 1, 1, 1])],
        [('w', np.full((1, 1, 1, 1), 1.0)), ('many', 90_000.0)])
    model = onnx.load_from_string(data)
    for name, value in (('flat', [1, -1]), ('axis', [1]), ('image', [1, 1, 1, 1])):
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array(value, np.int64), name))
    half = to_fp16(model.SerializeToString())
    constants = onnx.load_from_string(half).graph.initializer
    assert HALF in {tensor.data_type for tensor in constants}
    result, = run(rounded(half), x=np.full((1, 1, 300, 300), 8, np.float32))
    assert result.item() == pytest.approx(8, rel=1e-3)


def test_small_variances_survive_the_folding():
    """Alone, a variance of 1e-9 would be 0 in float16 and a gain of 1e5 infinite."""
    data = graph(
        [helper.make_node('Conv', ['x', 'w', 'b'], ['c']),
         helper.make_node('BatchNormalization', ['c', 'gain', 'shift', 'mean', 'var'], ['n'],
                          epsilon=1e-12),
         helper.make_node('Relu', ['n'], ['r']),
         helper.make_node('Conv', ['r', 'one'], ['y.typed'])],
        [('x', FLOAT, [1, 1, 2, 2])], [('y', FLOAT, [1, 1, 2, 2])],
        [('w', np.full((1, 1, 1, 1), 1e-4)), ('b', [2e-4]), ('gain', [1.0]), ('shift', [0.5]),
         ('mean', [1e-4]), ('var', [1e-9]), ('one', np.ones((1, 1, 1, 1)))])
    x = np.array([[[[0, 1], [2, 3]]]], np.float32)
    expected, = run(data, x=x)
    result, = run(rounded(to_fp16(data)), x=x)
    np.testing.assert_allclose(result, expected, rtol=2e-3)


def test_constants_inside_nodes_are_rounded_too():
    value = onnx.numpy_helper.from_array(np.array(0.1, np.float32))
    data = graph(
        [helper.make_node('Conv', ['x', 'w'], ['a']),
         helper.make_node('Constant', [], ['k'], value=value),
         helper.make_node('Mul', ['a', 'k'], ['b']),
         helper.make_node('Conv', ['b', 'w'], ['y.typed'])],
        [('x', FLOAT, [1, 1, 1, 1])], [('y', FLOAT, [1, 1, 1, 1])],
        [('w', np.ones((1, 1, 1, 1)))])
    model, types = typed(to_fp16(data))
    product, = (node for node in model.graph.node if node.op_type == 'Mul')
    assert {types[name] for name in product.input} == {HALF}


def test_a_graph_within_a_node_is_refused():
    inner = helper.make_graph(
        [helper.make_node('Identity', ['x'], ['z'])], 'inner', [],
        [helper.make_tensor_value_info('z', FLOAT, [1])])
    data = graph([helper.make_node('If', ['c'], ['y.typed'], name='choice', then_branch=inner,
                                   else_branch=inner)],
                 [('x', FLOAT, [1]), ('c', 9, [])], [('y', FLOAT, [1])])
    with pytest.raises(EngineError, match='node choice .If. holds a graph.*use precision fp32'):
        to_fp16(data)


@pytest.mark.parametrize('data', [b'', b'garbage', b'\x08\x08'])
def test_what_is_no_model_is_refused_in_one_line(data):
    with pytest.raises(EngineError, match='not a readable ONNX file') as caught:
        to_fp16(data)
    assert '\n' not in str(caught.value)


def test_the_rounding_is_that_of_numpys_float16():
    """The ruler of the tests above."""
    data = graph(
        [helper.make_node('Cast', ['x'], ['h'], to=HALF), helper.make_node('Exp', ['h'], ['e']),
         helper.make_node('Mul', ['e', 'e'], ['y.typed'])],
        [('x', FLOAT, [1000])], [('y', FLOAT, [1000])])
    x = np.linspace(-3, 3, 1000).astype(np.float32)
    step = np.exp(x.astype(np.float16).astype(np.float32)).astype(np.float16)
    expected = (step * step).astype(np.float32)
    np.testing.assert_array_equal(run(rounded(data), x=x)[0], expected)
    large, = run(rounded(data), x=np.full(1000, 8, np.float32))
    assert not np.isfinite(large).any()
