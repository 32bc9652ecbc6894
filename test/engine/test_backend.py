"""Every runtime keeps the same contract, on the shipped model and real images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import uaafusion_ros
from uaafusion_ros.engine import backend as choice
from uaafusion_ros.engine.backend import BACKENDS
from uaafusion_ros.engine.backend import load_backend
from uaafusion_ros.engine.sizes import PerSize
from uaafusion_ros.errors import EngineError

TNO = Path(uaafusion_ros.__file__).parent / 'demo' / 'tno'
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


def test_auto_takes_openvino_first():
    pytest.importorskip('openvino')
    loaded = load_backend()
    assert loaded.name.startswith('openvino ')
    assert loaded.choice == 'first choice'


def test_auto_without_openvino_takes_onnxruntime_and_says_why(monkeypatch):
    present = choice.find_spec
    monkeypatch.setattr(
        choice, 'find_spec', lambda name: None if name == 'openvino' else present(name))
    loaded = load_backend()
    assert loaded.name.startswith('onnxruntime ')
    assert 'openvino, which is not installed: pip install openvino' in loaded.choice
    with pytest.raises(EngineError, match='pip install openvino'):
        load_backend(backend='openvino')


def test_auto_passes_over_a_runtime_that_does_not_import(monkeypatch):
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


def test_missing_tensorrt_ends_in_one_line():
    with pytest.raises(EngineError, match="'tensorrt'.*set engine.backend to auto") as caught:
        load_backend(backend='tensorrt')
    assert '\n' not in str(caught.value)


def test_unknown_backend_names_the_known():
    with pytest.raises(EngineError, match="'cuda' is unknown; known: auto, openvino, onnxrun"):
        load_backend(backend='cuda')


def test_graphs_are_compiled_once_per_size_and_two_are_kept():
    compiled = []
    graphs = PerSize(lambda *size: compiled.append(size) or size)
    for size in ((1, 1), (2, 2), (1, 1), (3, 3), (1, 1), (2, 2)):
        assert graphs.get(*size) == size
    assert compiled == [(1, 1), (2, 2), (3, 3), (2, 2)]
