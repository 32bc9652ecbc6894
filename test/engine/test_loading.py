"""One table of backends: which is taken, and what is said of those that were not."""

from dataclasses import replace
import subprocess
import sys

import numpy as np
import pytest

from uaafusion_ros.engine import gpu as gpus
from uaafusion_ros.engine import loading
from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.gpu import Gpu
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.engine.loading import NAMES
from uaafusion_ros.engine.loading import NODE_NAMES
from uaafusion_ros.engine.loading import PROCESSOR
from uaafusion_ros.engine.loading import TABLE
from uaafusion_ros.errors import EngineError
from uaafusion_ros.errors import ModelFileError
from uaafusion_ros.settings import PARAMETERS

NO_GPU = 'no NVIDIA driver is installed'


@pytest.fixture
def no_gpu(monkeypatch):
    def find_gpu():
        raise EngineError(NO_GPU)

    monkeypatch.setattr(loading, 'find_gpu', find_gpu)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(loading, 'find_gpu', lambda: Gpu('Orin', (8, 7)))


@pytest.fixture
def missing(monkeypatch):
    """Return what makes packages look as if they were not installed."""
    present = loading.find_spec

    def hide(*packages):
        monkeypatch.setattr(
            loading, 'find_spec', lambda name: None if name in packages else present(name))

    return hide


@pytest.fixture
def broken(monkeypatch):
    """Return what makes the imports of packages fail as those of a half installation do."""
    def break_(package):
        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name == package:
                    raise ImportError('libtbb.so.12: cannot open shared object file')

        monkeypatch.delitem(sys.modules, package, raising=False)
        monkeypatch.delitem(sys.modules, f'uaafusion_ros.engine.{package}_backend', raising=False)
        monkeypatch.setattr(loading, 'find_spec', lambda name: name)
        monkeypatch.setattr(sys, 'meta_path', [Finder(), *sys.meta_path])

    return break_


def test_auto_without_a_gpu_takes_openvino_and_says_why(no_gpu):
    pytest.importorskip('openvino')
    loaded = load_backend()
    assert loaded.name.startswith('openvino ')
    assert loaded.choice == f'no tensorrt: {NO_GPU}'


def test_auto_without_openvino_takes_onnxruntime_and_says_why(no_gpu, missing):
    missing('openvino')
    loaded = load_backend()
    assert loaded.name.startswith('onnxruntime ')
    assert loaded.choice == (f'no tensorrt: {NO_GPU}; no openvino: the Python package openvino is '
                             f'not installed: {sys.executable} -m pip install openvino')


def test_auto_without_any_says_what_to_install(no_gpu, missing):
    missing(*(row.package for row in PROCESSOR))
    with pytest.raises(EngineError, match='^no backend can run here: ') as caught:
        load_backend()
    assert all(row.install in str(caught.value) for row in PROCESSOR)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('row', [row for row in TABLE if row.package], ids=lambda row: row.name)
def test_a_missing_package_is_named_with_the_cure(row, missing):
    missing(row.package)
    with pytest.raises(EngineError) as caught:
        load_backend(backend=row.name)
    text = str(caught.value)
    assert text.startswith(f"backend '{row.name}' cannot run here: the Python package "
                           f'{row.package} is not installed: {row.install}; other backends: ')
    assert f' {row.name}' not in text.rpartition('other backends:')[2]


def test_auto_passes_over_a_runtime_that_does_not_import(no_gpu, broken):
    broken('openvino')
    choice = load_backend().choice
    assert 'no openvino: it is installed but cannot be loaded (ImportError: libtbb.so.12' in choice
    assert choice.endswith('pip install openvino')
    with pytest.raises(EngineError, match="'openvino' cannot run here: .*install it again"):
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
        monkeypatch, tmp_path, gpu, asked, said):
    from uaafusion_ros.engine.tensorrt import backend as tensorrt
    monkeypatch.setattr(tensorrt, 'load', FakeTensorRT)
    told = []
    loaded = load_backend(backend=asked, cache=tmp_path / 'engines', precision='fp32',
                          working_size=(64, 32), progress=lambda *args: told.append(args) or True)
    assert (loaded.name, loaded.choice) == (f'tensorrt fp32 {tmp_path}/engines', said)
    with pytest.raises(EngineError, match='failed: out of memory; running on the processor'):
        loaded.prepare(32, 32, lambda phase, share: True)
    assert told == []
    rgb = np.zeros((32, 64, 3), np.uint8)
    assert loaded.infer(rgb, rgb[..., 0].copy()).mask.shape == (32, 64)
    assert not loaded.name.startswith('tensorrt')
    assert loaded.infer(np.zeros((96, 192, 3), np.uint8),
                        np.zeros((96, 192), np.uint8)).mask.shape == (96, 192)
    assert loaded.ran_at == '64x32', 'the processor works at the size that was asked for'
    loaded.close()


@pytest.mark.parametrize('failure,said', [
    (EngineError('tensorrt is not installed'), 'tensorrt is not installed'),
    (OSError('libnvinfer.so.10'), r'it is installed but cannot be loaded \(OSError: libnvinfer')])
def test_tensorrt_that_cannot_be_loaded_is_passed_over(monkeypatch, gpu, failure, said):
    from uaafusion_ros.engine.tensorrt import backend as tensorrt

    def load(*args):
        raise failure

    monkeypatch.setattr(tensorrt, 'load', load)
    loaded = load_backend()
    assert loaded.choice.startswith(f'no tensorrt: {str(said).replace(chr(92), "")}')
    with pytest.raises(EngineError, match=f"'tensorrt' cannot run here: {said}"):
        load_backend(backend='tensorrt')


def test_tensorrt_without_a_gpu_ends_in_one_line_and_imports_nothing_of_it():
    code = ('import sys\n'
            'from uaafusion_ros.engine import loading\n'
            'def find_gpu():\n'
            f"    raise loading.EngineError('{NO_GPU}')\n"
            'loading.find_gpu = find_gpu\n'
            "loading.load_backend().close()\n"
            "try:\n    loading.load_backend(backend='tensorrt')\n"
            'except Exception as error:\n    print(type(error).__name__, error)\n'
            "print([m for m in sys.modules if m.startswith(('cuda', 'tensorrt', 'torch'))])")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        f"EngineError backend 'tensorrt' cannot run here: {NO_GPU}; other backends: "
        f'{", ".join(name for name in NODE_NAMES if name != "tensorrt")}', '[]'], done.stderr


def test_a_wrong_model_file_is_no_reason_to_try_another_backend(no_gpu, tmp_path):
    for backend in ('auto', 'onnxruntime'):
        with pytest.raises(ModelFileError, match='no such model file'):
            load_backend(tmp_path / 'none.onnx', backend=backend)


def test_unknown_backend_names_the_known():
    with pytest.raises(EngineError, match="'cuda' is unknown; known: auto, tensorrt, openvino, "):
        load_backend(backend='cuda')


def test_torch_asks_for_a_checkpoint():
    pytest.importorskip('torch')
    with pytest.raises(ModelFileError, match="'release' .* not shipped.*path of a .safetensors"):
        load_backend(preset='release', backend='torch')


def test_a_row_of_the_table_is_a_backend_everywhere(monkeypatch):
    """What is for development is taken only where it is asked for, and by no node."""
    assert NAMES == ('auto', *(row.name for row in TABLE))
    assert set(NAMES) - set(NODE_NAMES) == {'torch'}
    assert PARAMETERS['engine.backend'].choices == NODE_NAMES
    row = replace(TABLE[1], name='tried', package='', load=lambda asked: FakeTensorRT(
        b'', asked.onnx[1], gpus.Gpu('', (0, 0)), asked.cache, asked.precision))
    monkeypatch.setattr(loading, 'TABLE', (*TABLE, row))
    loaded = load_backend(backend='tried')
    assert (loaded.name, loaded.choice) == ('tensorrt fp16 None', 'asked for')
