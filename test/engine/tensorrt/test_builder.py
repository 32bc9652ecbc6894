"""Engines built by a real builder that needs no GPU, and its refusals in one line each."""

import sys

from fake_builder import fake_tensorrt
import pytest
import yaml

from uaafusion_ros import share
from uaafusion_ros.engine import models
from uaafusion_ros.engine.contract import BuildCancelled
from uaafusion_ros.engine.tensorrt import api as apis
from uaafusion_ros.engine.tensorrt.builder import build
from uaafusion_ros.engine.tensorrt.builder import BuildOptions
from uaafusion_ros.engine.tensorrt.builder import Precision
from uaafusion_ros.engine.tensorrt.builder import PRECISIONS
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EngineError

PRESETS = yaml.safe_load(share.path('models', 'models.yaml').read_text())['models']
SMALL = (96, 128)
FP16, FP32 = Precision('fp16'), Precision('fp32')


@pytest.fixture(scope='module')
def rtx():
    pytest.importorskip('tensorrt_rtx')
    return apis.load('tensorrt_rtx')


@pytest.fixture(scope='module')
def fast():
    return models.shipped('fast')[0].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize('preset', PRESETS)
@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
@pytest.mark.parametrize('capability', ['SM86', 'SM120'])
def test_the_shipped_graph_builds(rtx, preset, precision, capability):
    pytest.importorskip('onnx')
    data = models.shipped(preset)[0].read_bytes()
    engine = build(rtx, data, BuildOptions((480, 640), Precision(precision), capability)).engine
    assert len(engine) > 0.9 * len(data) / (2 if precision == 'fp16' else 1)


@pytest.mark.slow
def test_the_middle_precision_builds_and_progress_grows_to_nearly_all(rtx, fast):
    pytest.importorskip('onnx')
    told = []
    engine = build(
        rtx, fast, BuildOptions(SMALL, PRECISIONS['fp16'][1], 'SM86'),
        lambda phase, share: told.append((phase, share)) or True)
    assert len(engine.engine) > 1e6
    assert engine.timing == b''
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0.0 and 0.7 < shares[-1] <= 1.0
    assert len({phase for phase, _ in told}) > 3


@pytest.mark.parametrize('when', [0.0, 0.5])
def test_progress_can_stop_a_build(rtx, fast, when):
    with pytest.raises(BuildCancelled, match='128x96 fp32 engine was stopped on request'):
        build(rtx, fast, BuildOptions(SMALL, FP32, 'SM86'),
              lambda phase, share: share < when)


@pytest.mark.parametrize('failure', [KeyError('gone'), KeyboardInterrupt()])
def test_a_failing_progress_stops_the_build_and_is_raised(rtx, fast, failure):
    """In TensorRT's own threads it would end the process."""
    def progress(phase, share):
        raise failure

    with pytest.raises(type(failure)):
        build(rtx, fast, BuildOptions(SMALL, FP32, 'SM86'), progress)


def model(nodes, inputs, outputs):
    onnx = pytest.importorskip('onnx')
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(*node[:3], name=node[3], **node[4]) for node in nodes], 'g',
        *[[helper.make_tensor_value_info(*value) for value in values]
          for values in (inputs, outputs)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)],
                             ir_version=8).SerializeToString()


FLOAT, HALF = 1, 10
UNSUPPORTED = ([('DFT', ['x'], ['y'], 'spectrum', {})],
               [('x', FLOAT, [8, 8, 8, 1])], [('y', FLOAT, [8, 8, 8, 2])])
FOREIGN = ([('Foo', ['x'], ['y'], 'odd', {'domain': 'com.example'})],
           [('x', FLOAT, [8, 8])], [('y', FLOAT, [8, 8])])
WRONG_TYPE = ([('Add', ['x', 'z'], ['y'], 'mixed', {})],
              [('x', FLOAT, [8, 8]), ('z', HALF, [8, 8])], [('y', FLOAT, [8, 8])])
WRONG_SHAPE = ([('Add', ['x', 'z'], ['y'], 'uneven', {})],
               [('x', FLOAT, [8, 8]), ('z', FLOAT, [8, 7])], [('y', FLOAT, [8, 8])])


@pytest.mark.parametrize('graph,text', [
    (UNSUPPORTED, r'node spectrum \(DFT\): this TensorRT does not know the operation; export'),
    (FOREIGN, r'node odd \(Foo\): this TensorRT does not know the operation'),
    (WRONG_TYPE, r'node mixed \(Add\): .*must have same input types.*export the model again'),
    (WRONG_SHAPE, r'node uneven \(Add\): .*broadcast dimensions must be conformable')])
def test_a_graph_that_cannot_be_taken_names_its_node(rtx, graph, text):
    with pytest.raises(EngineError, match=text) as caught:
        build(rtx, model(*graph), BuildOptions(SMALL, FP32, 'SM86'))
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert 'cudaError' not in str(caught.value)


@pytest.mark.parametrize('cut', ['garbage', 'half', 'empty'])
@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_a_damaged_file_says_so(rtx, fast, cut, precision):
    pytest.importorskip('onnx')
    data = {'garbage': b'\x07garbage', 'half': fast[:len(fast) // 2], 'empty': b''}[cut]
    with pytest.raises(EngineError, match='(cannot read|holds no|not a readable).*again') \
            as caught:
        build(rtx, data, BuildOptions(SMALL, Precision(precision), 'SM86'))
    assert '\n' not in str(caught.value)


def test_a_size_that_does_not_fit_says_so(rtx, fast):
    with pytest.raises(EngineError, match="for 101x99: .*a multiple of the model's"):
        build(rtx, fast, BuildOptions((99, 101), FP32, 'SM86'))


def test_an_unknown_gpu_names_the_known(rtx, fast):
    with pytest.raises(EngineError, match='cannot build for SM90; it can for SM75, SM80, SM86'):
        build(rtx, fast, BuildOptions(SMALL, FP32, 'SM90'))


def test_float16_without_onnx_names_the_package(rtx, fast, monkeypatch):
    monkeypatch.delitem(sys.modules, 'uaafusion_ros.engine.tensorrt.float16', raising=False)
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(DependencyError, match='pip install onnx`, or set the precision to fp32'):
        build(rtx, fast, BuildOptions(SMALL, FP16, 'SM86'))


def asked(options, version='10.3.0', data=b'onnx'):
    module = fake_tensorrt(version)
    assert build(apis.describe(module, 'tensorrt'), data, options).engine == b'plan'
    return module, module.asked


def test_before_10_12_the_flag_makes_fp16_of_the_float32_file():
    module, was = asked(BuildOptions(SMALL, FP16))
    assert was.network_flags == 0
    assert was.onnx == b'onnx'
    assert was.config.flags == {module.BuilderFlag.FP16}
    assert was.shape == (96, 128, 3)


@pytest.mark.parametrize('version,options', [
    ('10.3.0', BuildOptions(SMALL, Precision('fp16', (r'network\.fusion',)))),
    ('10.13.0', BuildOptions(SMALL, FP16))])
def test_named_layers_and_newer_versions_get_a_typed_file(fast, version, options):
    pytest.importorskip('onnx')
    module, was = asked(options, version, fast)
    assert was.network_flags == 1 << module.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert len(was.onnx) < 0.6 * len(fast)
    assert was.config.flags == set()


def test_fp32_is_strongly_typed_and_without_tf32():
    module, was = asked(BuildOptions(SMALL, FP32))
    assert was.network_flags == 1 << module.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert was.config.flags == set()


def test_the_full_tensorrt_builds_for_the_gpu_that_is_there():
    with pytest.raises(EngineError, match='builds for the GPU that is there only'):
        asked(BuildOptions(SMALL, FP32, 'SM86'))


@pytest.mark.parametrize('kept,after', [
    (b'', b'+measured'), (b'old', b'old+measured'), (b'of another version', b'+measured')])
def test_timings_are_used_and_returned(kept, after):
    api = apis.describe(fake_tensorrt('10.3.0'), 'tensorrt')
    assert build(api, b'onnx', BuildOptions(SMALL, FP32), timing=kept).timing == after
