"""
From a size to a checked engine, with the real cache and gate.

CUDA and TensorRT's runtime are fakes, so is the builder; what needs no GPU of the real
TensorRT-RTX is tried, too.
"""

from dataclasses import fields
from importlib.util import find_spec
import subprocess
import sys
from types import SimpleNamespace

from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRT
import numpy as np
import pytest

from uaafusion_ros.engine.cache import EngineCache
from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import BuildCancelled
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.gpu import Gpu
from uaafusion_ros.engine.tensorrt import backend as room
from uaafusion_ros.engine.tensorrt.api import Api
from uaafusion_ros.engine.tensorrt.backend import TensorRTBackend
from uaafusion_ros.engine.tensorrt.builder import Built
from uaafusion_ros.engine.tensorrt.cuda import Cuda
from uaafusion_ros.errors import EngineError

SPEC = ModelSpec(None, 'ab' * 32, 'tiny', ('a',), np.zeros((1, 3), np.uint8), 4)
GPU = Gpu('Orin', (8, 7))


class Same(Backend):
    """What the fake engine computes, on the processor."""

    def __init__(self, off=0):
        super().__init__(SPEC, 'reference')
        self.off = off
        self.closed = False

    def _run(self, rgb, thermal):
        return [255 - rgb, thermal // 2 + np.uint8(self.off), thermal.copy()]

    def close(self):
        self.closed = True


class Bench:
    """A backend on fakes, and what was asked of them."""

    def __init__(self, folder, precision='fp16', trt=None):
        self.fake = FakeCuda()
        self.trt = trt or FakeTensorRT(self.fake)
        self.trt.cuda = self.fake
        self.built = []
        self.reference = Same()
        self.build_error = None
        self.before_build = lambda options: None
        values = {field.name: True for field in fields(Api)}
        api = Api(**{**values, 'module': self.trt, 'flavour': 'tensorrt', 'version': (10, 13)})
        self.backend = TensorRTBackend(SPEC, api, Cuda(self.fake), GPU, EngineCache(folder),
                                       precision, self.build, lambda: self.reference)

    def build(self, options, progress, timing):
        self.before_build(options)
        precision = options.precision
        self.built.append((options.resolution, precision.name, bool(precision.keep_fp32)))
        if not progress('kernels', 0.25):
            raise BuildCancelled('stopped on request')
        if self.build_error is not None:
            raise self.build_error
        height, width = options.size
        return Built(f'plan {height}x{width}'.encode(), b'kernels')


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / 'engines')


def pair(height=8, width=12):
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, (height, width, 3), np.uint8),
            rng.integers(0, 256, (height, width), np.uint8))


def test_first_image_builds_checks_and_runs(bench):
    rgb, thermal = pair()
    output = bench.backend.infer(rgb, thermal)
    np.testing.assert_array_equal(output.fused, 255 - rgb)
    np.testing.assert_array_equal(output.mask, thermal // 2)
    assert bench.built == [('12x8', 'fp16', False)]
    assert bench.reference.closed
    assert bench.backend.name == 'tensorrt 10.13 on Orin'
    notes = bench.backend.take_notes()
    assert any('building an engine: there is none for tiny yet' in note for note in notes)
    assert any('was checked' in note and 'samples agree' in note for note in notes)
    assert notes[-1] == 'the engine for 12x8 runs in fp16'


def test_sizes_are_padded_and_prepared_ahead(bench):
    assert not bench.backend.ready(7, 10)
    bench.backend.prepare(7, 10)
    assert bench.backend.ready(7, 10)
    assert bench.backend.ready(8, 12)
    assert not bench.backend.ready(9, 12)
    assert bench.backend.infer(*pair(7, 10)).fused.shape == (7, 10, 3)
    assert bench.built == [('12x8', 'fp16', False)]


def test_the_memory_in_use_is_told_while_the_device_answers(bench):
    idle, total = bench.backend.gpu_memory()
    assert (idle, total) == (0, bench.fake.memory_bytes)
    bench.backend.prepare(8, 12)
    used, total = bench.backend.gpu_memory()
    assert 8 * 12 * 4 <= used < total == bench.fake.memory_bytes
    bench.fake.fail_at = len(bench.fake.calls)
    assert bench.backend.gpu_memory() is None


def test_the_next_start_loads_and_asks_the_gate_no_more(bench, tmp_path):
    bench.backend.infer(*pair())
    bench.backend.close()
    again = Bench(tmp_path / 'engines')
    again.reference = None  # would be an error to ask
    again.backend.infer(*pair())
    assert again.built == []
    assert again.backend.take_notes()[-1] == 'the engine for 12x8 runs in fp16'


def test_a_kept_engine_that_tensorrt_refuses_is_built_again(bench, tmp_path):
    bench.backend.infer(*pair())
    bench.backend.close()
    again = Bench(tmp_path / 'engines')
    again.trt.refuse_plans = 1
    again.backend.infer(*pair())
    assert again.built == [('12x8', 'fp16', False)]
    assert any('does not take the engine' in note for note in again.backend.take_notes())
    again.trt.refuse_plans = 9
    with pytest.raises(EngineError, match='does not take the engine'):
        again.backend.prepare(8, 8)
    again.backend.close()
    assert again.fake.live == {}


def test_an_engine_that_fails_the_gate_is_built_in_fp32(bench):
    bench.reference = Same(off=1)

    def agree(options):
        bench.reference.off = int(options.precision.name != 'fp32')

    bench.before_build = agree
    bench.backend.infer(*pair())
    assert bench.built == [
        ('12x8', 'fp16', False), ('12x8', 'fp16', True), ('12x8', 'fp32', False)]
    notes = bench.backend.take_notes()
    assert sum('engine is not used' in note for note in notes) == 2
    assert notes[-1] == 'the engine for 12x8 runs in fp32'
    bench.backend.close()
    assert bench.fake.live == {}


def test_an_engine_that_never_agrees_is_an_error_and_leaks_nothing(bench):
    bench.reference = Same(off=1)
    with pytest.raises(EngineError, match='not even in fp32.*labels are equal'):
        bench.backend.infer(*pair())
    assert not bench.backend.ready(8, 12)
    assert bench.fake.live == {}
    assert bench.trt.alive == set()


def test_precision_fp32_builds_that_alone(tmp_path):
    bench = Bench(tmp_path / 'engines', 'fp32')
    bench.backend.prepare(8, 12)
    assert bench.built == [('12x8', 'fp32', False)]


def test_progress_is_told_and_stops(bench):
    told = []
    bench.backend.prepare(8, 12, lambda phase, share: told.append((phase, share)) or True)
    assert told[0] == ('kernels', 0.25)
    assert ('checking on noise', pytest.approx(1 - 1 / (len(told) - 1))) == told[-1]
    with pytest.raises(BuildCancelled):
        bench.backend.prepare(16, 12, lambda phase, share: False)
    with pytest.raises(BuildCancelled, match='check of an engine'):
        bench.backend.prepare(16, 12, lambda phase, share: not phase.startswith('checking'))
    bench.backend.close()
    assert bench.fake.live == {}
    assert bench.trt.alive == set()


def test_out_of_memory_while_building_passes_through(bench):
    bench.build_error = EngineError('tensorrt built no engine: out of memory')
    with pytest.raises(EngineError, match='out of memory'):
        bench.backend.infer(*pair())
    bench.build_error = None
    bench.backend.infer(*pair())


def test_two_sizes_are_kept_and_the_third_frees_the_first(bench):
    for width in (8, 12, 16):
        bench.backend.prepare(8, width)
        bench.backend.infer(*pair(8, width))
    assert bench.fake.names().count('stream') == 2
    assert not bench.backend.ready(8, 8)
    bench.backend.close()
    assert bench.fake.live == {}


def test_a_missing_graph_is_said_once(bench):
    bench.trt.capturable = False
    bench.backend.prepare(8, 12)
    notes = bench.backend.take_notes()
    assert sum('no CUDA graph' in note for note in notes) == 1
    bench.backend.infer(*pair())
    assert bench.backend.take_notes() == []


def test_close_frees_every_size_and_then_raises(bench):
    bench.backend.prepare(8, 8)
    bench.backend.prepare(8, 12)
    bench.fake.fail_at = len(bench.fake.calls)
    with pytest.raises(EngineError, match='cudaGraphExecDestroy failed'):
        bench.backend.close()
    assert bench.fake.names() == ['executable graph']
    bench.backend.close()


def test_a_gpu_that_this_tensorrt_does_not_serve(monkeypatch):
    module = SimpleNamespace(ComputeCapability=SimpleNamespace(__members__={'SM86': 1}))
    values = {field.name: True for field in fields(Api)}
    monkeypatch.setattr(room.apis, 'load', lambda: Api(
        **{**values, 'module': module, 'flavour': 'tensorrt_rtx', 'version': (1, 7)}))
    with pytest.raises(EngineError, match=r'tensorrt_rtx 1.7 does not serve the H100 .*9\.0'):
        room.load(b'', SPEC, Gpu('H100', (9, 0)), None, 'fp16')
    with pytest.raises(EngineError, match="precision 'int4' is unknown; known: fp16, fp32"):
        room.load(b'', SPEC, GPU, None, 'int4')


@pytest.mark.skipif(find_spec('cuda') is None, reason='cuda-bindings is not installed')
def test_real_bindings_without_a_gpu_report_the_drivers_error():
    """The signatures that are used exist, and a missing driver is one sentence."""
    code = '''
from uaafusion_ros.engine.gpu import find_gpu
from uaafusion_ros.engine.tensorrt import cuda
api = cuda.load()
try:
    find_gpu()
except Exception:
    for status, *_ in (api.cudaMalloc(8), api.cudaHostAlloc(8, api.cudaHostAllocMapped),
                       api.cudaStreamCreateWithFlags(api.cudaStreamNonBlocking),
                       api.cudaEventCreateWithFlags(api.cudaEventBlockingSync
                                                    | api.cudaEventDisableTiming),
                       api.cudaStreamBeginCapture(
                           0, api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal),
                       api.cudaStreamEndCapture(0), api.cudaGraphDestroy(api.cudaGraph_t(0)),
                       api.cudaGraphInstantiate(api.cudaGraph_t(0), 0),
                       api.cudaGraphLaunch(0, 0), api.cudaGraphExecDestroy(0),
                       api.cudaMemcpyAsync(0, 0, 0, api.cudaMemcpyKind.cudaMemcpyHostToDevice, 0),
                       api.cudaEventRecord(0, 0), api.cudaEventSynchronize(0),
                       api.cudaEventDestroy(0), api.cudaStreamSynchronize(0),
                       api.cudaStreamDestroy(0), api.cudaHostGetDevicePointer(0, 0),
                       api.cudaFreeHost(0), api.cudaFree(0), api.cudaGetLastError()):
        assert int(status) != 0, status
cuda.Cuda(api)
'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert 'AssertionError' not in done.stderr
    if done.returncode:
        assert 'EngineError: CUDA: cudaSetDevice failed: ' in done.stderr.splitlines()[-1]


@pytest.mark.skipif(find_spec('tensorrt_rtx') is None, reason='TensorRT-RTX is not installed')
def test_real_runtime_without_a_gpu_gives_no_engine_or_ends_the_process():
    """Why the driver is asked first: which of the two it is depends on the release."""
    code = '''
import sys
from uaafusion_ros.engine.gpu import find_gpu
try:
    find_gpu()
    sys.exit(77)
except Exception:
    pass
import tensorrt_rtx as trt
from uaafusion_ros.engine.tensorrt.api import error_log
log = error_log(trt)
runtime = trt.Runtime(log)
engine = runtime.deserialize_cuda_engine(bytes(4096))
print('engine', engine, 'because', log.take())
'''
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip('there is a GPU')
    assert done.returncode < 0 or 'engine None because' in done.stdout, done.stderr
