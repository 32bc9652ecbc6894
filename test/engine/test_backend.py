"""Every runtime keeps the same contract, on the shipped model and real images."""

from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest

import uaafusion_ros
from uaafusion_ros.engine import backend as choice
from uaafusion_ros.engine.backend import Backend
from uaafusion_ros.engine.backend import BACKENDS
from uaafusion_ros.engine.backend import load_backend
from uaafusion_ros.engine.probe import Gpu
from uaafusion_ros.engine.probe import Probe
from uaafusion_ros.engine.sizes import PerSize
from uaafusion_ros.errors import EngineError
from uaafusion_ros.imaging.buffers import message_data

TNO = Path(uaafusion_ros.__file__).parent / 'data' / 'tno'
NAMES = [row[0] for row in BACKENDS]


def pair(stem='16'):
    rgb = cv2.imread(str(TNO / 'rgb' / f'{stem}.png'), cv2.IMREAD_COLOR)[..., ::-1]
    thermal = cv2.imread(str(TNO / 'thermal' / f'{stem}.png'), cv2.IMREAD_GRAYSCALE)
    return np.ascontiguousarray(rgb), thermal


@pytest.fixture(scope='module', params=NAMES)
def backend(request):
    pytest.importorskip(request.param)
    loaded = load_backend(backend=request.param)
    yield loaded
    loaded.close()


def test_bytes_in_message_ready_bytes_out(backend):
    rgb, thermal = pair()
    output = backend.infer(rgb, thermal)
    assert output.fused.shape == rgb.shape
    assert output.mask.shape == output.confidence.shape == thermal.shape
    for array in (output.fused, output.mask, output.confidence):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous
    assert output.mask.max() < len(backend.spec.classes)


def test_results_are_not_overwritten_by_the_next_frame(backend):
    rgb, thermal = pair()
    first = backend.infer(rgb, thermal)
    kept = first.fused.copy()
    backend.infer(255 - rgb, thermal)
    np.testing.assert_array_equal(first.fused, kept)


def test_openvino_writes_where_a_message_can_take_it():
    pytest.importorskip('openvino')
    backend = load_backend(backend='openvino')
    output = backend.infer(*(image[:64, :96] for image in pair()))
    backend.close()
    for image in (output.fused, output.mask):
        assert np.shares_memory(np.frombuffer(message_data(image), np.uint8), image)


@pytest.mark.parametrize('height,width', [(64, 64), (33, 47), (1, 1), (96, 32), (130, 258)])
def test_any_size_is_accepted_and_kept(backend, height, width):
    rng = np.random.default_rng(height)
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    output = backend.infer(rgb, rgb[..., 0].copy())
    assert output.fused.shape == rgb.shape
    assert output.mask.shape == (height, width)


def test_colour_order_is_kept(backend):
    """Red stays red: fusion changes the brightness, never the channel order."""
    rgb = np.zeros((64, 96, 3), np.uint8)
    rgb[:] = (180, 40, 60)
    fused = backend.infer(rgb, np.full((64, 96), 80, np.uint8)).fused.astype(int)
    np.testing.assert_allclose(fused[..., 0] - fused[..., 1], 140, atol=2)
    np.testing.assert_allclose(fused[..., 2] - fused[..., 1], 20, atol=2)


@pytest.mark.parametrize('rgb,thermal', [
    (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)),
    (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9), np.uint8)),
    (np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8)),
    (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint16)),
    (np.zeros((0, 8, 3), np.uint8), np.zeros((0, 8), np.uint8)),
])
def test_wrong_images_are_refused_with_both_shapes(backend, rgb, thermal):
    with pytest.raises(EngineError, match=r'expected uint8 \(H, W, 3\) and uint8 \(H, W\)'):
        backend.infer(rgb, thermal)


@pytest.mark.slow
def test_runtimes_agree():
    """OpenVINO is within 2/255 of ONNX Runtime, and at least 99.5 % of the labels are equal."""
    pytest.importorskip('openvino')
    first, second = (load_backend(backend=name) for name in NAMES)
    rng = np.random.default_rng(0)
    shape = (256, 320)
    images = [pair(stem) for stem in ('02', '11', '24')] + [
        (np.full((*shape, 3), value, np.uint8), np.full(shape, value, np.uint8))
        for value in (0, 128, 255)]
    images.append((rng.integers(0, 256, (*shape, 3), np.uint8),
                   rng.integers(0, 256, shape, np.uint8)))
    for rgb, thermal in images:
        a, b = first.infer(rgb, thermal), second.infer(rgb, thermal)
        assert np.abs(a.fused.astype(int) - b.fused).max() <= 2
        assert (a.mask == b.mask).mean() >= 0.995


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(choice, 'probe', lambda: Probe(None, 'no NVIDIA driver is installed'))


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(choice, 'probe', lambda: Probe(Gpu('Orin', (8, 7), True, (12, 6))))


def test_auto_without_a_gpu_takes_openvino_and_says_why(no_gpu):
    pytest.importorskip('openvino')
    loaded = load_backend()
    assert loaded.name.startswith('openvino ')
    assert loaded.choice == 'no TensorRT: no NVIDIA driver is installed'


def test_auto_without_openvino_takes_onnxruntime_and_says_why(monkeypatch, no_gpu):
    present = choice.find_spec
    monkeypatch.setattr(
        choice, 'find_spec', lambda name: None if name == 'openvino' else present(name))
    loaded = load_backend()
    assert loaded.name.startswith('onnxruntime ')
    assert 'openvino, which is not installed: pip install openvino' in loaded.choice
    with pytest.raises(EngineError, match='pip install openvino'):
        load_backend(backend='openvino')


class FakeTensorRT(Backend):
    """Where the real one would be loaded; fails when it is prepared."""

    def __init__(self, data, spec, gpu, cache, precision):
        super().__init__(spec, f'tensorrt {precision} {cache}')

    def ready(self, height, width):
        return False

    def prepare(self, height, width, progress=None):
        assert progress('kernels', 0.5)
        raise EngineError('out of memory')

    def _run(self, rgb, thermal):
        raise AssertionError('ran unprepared')

    def close(self):
        pass


@pytest.mark.parametrize('asked,said', [('auto', 'on Orin'), ('tensorrt', 'asked for')])
def test_tensorrt_is_taken_where_there_is_a_gpu_and_the_processor_stands_in(
        monkeypatch, gpu, asked, said):
    from uaafusion_ros.engine.tensorrt import backend as tensorrt
    monkeypatch.setattr(tensorrt, 'load', FakeTensorRT)
    told = []
    loaded = load_backend(backend=asked, cache=Path('engines'), precision='fp32',
                          progress=lambda *args: told.append(args) or True)
    assert (loaded.name, loaded.choice) == ('tensorrt fp32 engines', said)
    with pytest.raises(EngineError, match='failed: out of memory; running on the processor'):
        loaded.prepare(32, 32, lambda phase, share: True)
    assert told == []
    assert loaded.infer(*pair()).mask.shape == pair()[1].shape
    assert not loaded.name.startswith('tensorrt')
    loaded.close()


def test_tensorrt_that_is_not_installed_is_passed_over(monkeypatch, gpu):
    from uaafusion_ros.engine.tensorrt import backend as tensorrt

    def load(*args):
        raise EngineError('the Python package tensorrt is not installed')

    monkeypatch.setattr(tensorrt, 'load', load)
    assert 'no TensorRT: the Python package tensorrt is not' in load_backend().choice
    with pytest.raises(EngineError, match="'tensorrt' cannot run here: the Python package"):
        load_backend(backend='tensorrt')


def test_auto_passes_over_a_runtime_that_does_not_import(monkeypatch, no_gpu):
    def broken(name):
        if 'openvino' in name:
            raise ImportError('libtbb.so.12: cannot open shared object file')
        return import_module(name)

    import_module = choice.import_module
    monkeypatch.setattr(choice, 'import_module', broken)
    monkeypatch.setattr(choice, 'find_spec', lambda name: name)
    assert 'cannot be imported (libtbb.so.12' in load_backend().choice
    with pytest.raises(EngineError, match='install it again: pip install openvino'):
        load_backend(backend='openvino')


def test_tensorrt_without_a_gpu_ends_in_one_line_and_imports_nothing_of_it():
    code = ('import sys\n'
            'from uaafusion_ros.engine import backend\n'
            'from uaafusion_ros.engine.probe import Probe\n'
            "backend.probe = lambda: Probe(None, 'no NVIDIA driver is installed')\n"
            "backend.load_backend().close()\n"
            "try:\n    backend.load_backend(backend='tensorrt')\n"
            'except Exception as error:\n    print(type(error).__name__, error)\n'
            "print([m for m in sys.modules if m.startswith(('cuda', 'tensorrt', 'torch'))])")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "EngineError backend 'tensorrt' cannot run here: no NVIDIA driver is installed; set "
        'engine.backend to auto, openvino or onnxruntime', '[]'], done.stderr


def test_unknown_backend_names_the_known():
    with pytest.raises(EngineError, match="'cuda' is unknown; known: auto, tensorrt, openvino, "):
        load_backend(backend='cuda')


def test_torch_asks_for_a_checkpoint():
    with pytest.raises(EngineError, match="'fast' .* not shipped.*path of a .safetensors"):
        load_backend(backend='torch')


def test_a_size_is_prepared_ahead(backend):
    backend.prepare(33, 47)
    assert backend.ready(33, 47)
    assert (backend.problem, backend.progress, backend.take_notes()) == ('', '', [])


def test_graphs_are_compiled_once_per_size_and_two_are_kept():
    compiled = []
    graphs = PerSize(lambda *size: compiled.append(size) or size)
    for size in ((1, 1), (2, 2), (1, 1), (3, 3), (1, 1), (2, 2)):
        assert graphs.get(*size) == size
    assert compiled == [(1, 1), (2, 2), (3, 3), (2, 2)]


def test_a_graph_that_goes_is_released_before_another_is_compiled():
    log = []
    graphs = PerSize(lambda *size: log.append(('compile', size)) or size,
                     lambda size: log.append(('release', size)))
    for size in ((1, 1), (2, 2), (3, 3)):
        graphs.get(*size)
    assert log[2:] == [('release', (1, 1)), ('compile', (3, 3))]
    assert (1, 1) not in graphs
    assert (3, 3) in graphs
    graphs.clear()
    assert log[4:] == [('release', (2, 2)), ('release', (3, 3))]


def test_a_release_that_raises_does_not_keep_the_others():
    released = []

    def release(size):
        released.append(size)
        raise EngineError(f'no {size}')

    graphs = PerSize(lambda *size: size, release)
    graphs.get(1, 1)
    graphs.get(2, 2)
    with pytest.raises(EngineError, match=r'no \(2, 2\)'):
        graphs.clear()
    assert released == [(1, 1), (2, 2)]
    graphs.clear()
