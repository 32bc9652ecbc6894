"""Every runtime keeps the same contract, on the shipped model and real images."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest

import uaafusion_ros
from uaafusion_ros.engine.contract import PerSize
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.engine.loading import PROCESSOR
from uaafusion_ros.errors import EngineError
from uaafusion_ros.imaging.buffers import message_data

TNO = Path(uaafusion_ros.__file__).parent / 'data' / 'tno'


def pair(stem='16'):
    rgb = cv2.imread(str(TNO / 'rgb' / f'{stem}.png'), cv2.IMREAD_COLOR)[..., ::-1]
    thermal = cv2.imread(str(TNO / 'thermal' / f'{stem}.png'), cv2.IMREAD_GRAYSCALE)
    return np.ascontiguousarray(rgb), thermal


@pytest.fixture(scope='module', params=PROCESSOR, ids=lambda row: row.name)
def backend(request):
    if request.param.package:
        pytest.importorskip(request.param.package)
    loaded = load_backend(backend=request.param.name)
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


def test_large_images_are_decided_small_and_keep_their_texture(backend):
    """The network sees a quarter of the pixels, the fused image shows them all."""
    rgb, thermal = (image[1:449, 2:610] for image in pair())
    whole = backend.infer(rgb, thermal)
    assert backend.ran_at == '608x448'
    backend.working_size = (304, 224)
    try:
        output = backend.infer(rgb, thermal)
    finally:
        backend.working_size = (0, 0)
    assert backend.ran_at == '320x224'
    texture, kept, blurred = (
        cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).std()
        for image in (whole.fused, output.fused,
                      cv2.resize(cv2.resize(whole.fused, (304, 224)), (608, 448))))
    assert blurred < 0.7 * texture < 0.9 * texture < kept < 1.1 * texture
    assert cv2.absdiff(output.fused, whole.fused).mean() < 6
    assert (output.mask == whole.mask).mean() > 0.9


@pytest.mark.parametrize('row', PROCESSOR, ids=lambda row: row.name)
def test_large_images_are_prepared_for_the_size_they_run_in(row):
    if row.package:
        pytest.importorskip(row.package)
    loaded = load_backend(backend=row.name, working_size=(96, 64))
    loaded.prepare(128, 192)
    assert loaded.infer(np.zeros((128, 192, 3), np.uint8),
                        np.zeros((128, 192), np.uint8)).mask.shape == (128, 192)
    assert loaded.ran_at == '96x64' and loaded.name.startswith(row.name)
    loaded.close()


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
def test_runtimes_agree(backend):
    """Each is within 2/255 of ONNX Runtime, and at least 99.5 % of the labels are equal."""
    if backend.name.startswith('onnxruntime'):
        pytest.skip('the reference')
    reference = load_backend(backend='onnxruntime')
    rng = np.random.default_rng(0)
    shape = (256, 320)
    images = [pair(stem) for stem in ('02', '11', '24')] + [
        (np.full((*shape, 3), value, np.uint8), np.full(shape, value, np.uint8))
        for value in (0, 128, 255)]
    images.append((rng.integers(0, 256, (*shape, 3), np.uint8),
                   rng.integers(0, 256, shape, np.uint8)))
    for rgb, thermal in images:
        got, expected = backend.infer(rgb, thermal), reference.infer(rgb, thermal)
        assert np.abs(got.fused.astype(int) - expected.fused).max() <= 2
        assert (got.mask == expected.mask).mean() >= 0.995
    reference.close()


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


def test_two_threads_that_want_one_graph_compile_it_once():
    begun, go, compiled = Event(), Event(), []

    def compile_for(*size):
        begun.set()
        assert go.wait(5.0)
        return compiled.append(size) or size

    graphs = PerSize(compile_for)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(graphs.get, 1, 1)
        assert begun.wait(5.0)
        second = threads.submit(graphs.get, 1, 1)
        go.set()
        assert (first.result(5.0), second.result(5.0)) == ((1, 1), (1, 1))
    assert compiled == [(1, 1)]


@pytest.fixture
def openvino():
    pytest.importorskip('openvino')
    loaded = load_backend(backend='openvino')
    yield loaded
    loaded.close()


def _runtime(backend, side):
    rgb = np.zeros((side, 32, 3), np.uint8)
    backend.infer(rgb, rgb[..., 0].copy())
    return backend.name.split()[0]


def test_openvino_compiles_for_the_first_size_and_for_those_met_often(openvino):
    """The others run where a new size costs nothing, and a camera's new size is soon as fast."""
    assert _runtime(openvino, 32) == 'openvino'
    assert [_runtime(openvino, side) for side in range(64, 416, 32)] == ['onnxruntime'] * 11
    assert _runtime(openvino, 32) == 'openvino'
    ran = [_runtime(openvino, 64) for _ in range(60)]
    assert ran == ['onnxruntime'] * 49 + ['openvino'] * 11


def test_openvino_fuses_on_while_another_size_is_prepared(openvino):
    _runtime(openvino, 32)
    ran = []
    with ThreadPoolExecutor(1) as other:
        prepared = other.submit(openvino.prepare, 480, 640)
        while not prepared.done():
            ran.append(_runtime(openvino, 64))
        prepared.result()
    assert len(ran) > 5 and 'openvino' not in ran[:5]
    assert _runtime(openvino, 480) == 'onnxruntime', 'a size of its own'
    rgb = np.zeros((480, 640, 3), np.uint8)
    openvino.infer(rgb, rgb[..., 0].copy())
    assert openvino.name.startswith('openvino')


def test_openvino_compiles_nothing_at_the_second_start(tmp_path, monkeypatch):
    """Unless what it kept was altered, or is refused by this version or processor."""
    runtime = pytest.importorskip('openvino')
    compiled = []

    class Core(runtime.Core):
        def compile_model(self, *arguments):
            compiled.append(True)
            return super().compile_model(*arguments)

        def import_model(self, data, *arguments):
            if refuse:
                raise RuntimeError('made by another version')
            return super().import_model(data, *arguments)

    def started():
        loaded = load_backend(backend='openvino', cache=tmp_path / 'engines')
        output = loaded.infer(*(image[:64, :96] for image in pair()))
        loaded.close()
        return output.fused, len(compiled)

    monkeypatch.setattr(runtime, 'Core', Core)
    refuse = False
    expected, _ = started()
    (kept,) = (tmp_path / 'engines').rglob('*.engine')
    for damage, compilations in ((None, 1), (b'no engine', 2), (None, 2)):
        if damage:
            kept.write_bytes(damage)
        fused, so_far = started()
        np.testing.assert_array_equal(fused, expected)
        assert so_far == compilations
    refuse = True
    np.testing.assert_array_equal(started()[0], expected)
    assert len(compiled) == 3


def test_images_of_many_sizes_come_out_as_each_alone(backend):
    """Whatever runs a size gives what the graph of that size gives."""
    name = backend.name.split()[0]
    for height, width in ((96, 128), (70, 130), (128, 64), (33, 190), (70, 130)):
        images = [image[100:100 + height, 100:100 + width] for image in pair()]
        got = backend.infer(*images)
        alone = load_backend(backend=name)
        expected = alone.infer(*images)
        alone.close()
        assert got.fused.shape == images[0].shape
        assert np.abs(got.fused.astype(int) - expected.fused).max() <= 2
        assert (got.mask == expected.mask).mean() >= 0.995


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
