"""`uaafusion build-engine`: builds for real where no GPU is needed, and says what it kept."""

import pytest

from uaafusion_ros.cli import build_engine
from uaafusion_ros.cli.main import main
from uaafusion_ros.engine import gpu as gpus
from uaafusion_ros.engine import models
from uaafusion_ros.engine.cache import EngineCache
from uaafusion_ros.engine.gpu import Gpu
from uaafusion_ros.engine.tensorrt import api
from uaafusion_ros.engine.tensorrt import backend
from uaafusion_ros.engine.tensorrt.builder import BuildOptions
from uaafusion_ros.engine.tensorrt.builder import engine_key
from uaafusion_ros.engine.tensorrt.builder import Precision
from uaafusion_ros.errors import EngineError

ORIN = Gpu('Orin', (8, 7))


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    def find_gpu():
        raise EngineError('no NVIDIA driver is installed')

    monkeypatch.setattr(gpus, 'find_gpu', find_gpu)


def call(folder, *arguments):
    return main(['build-engine', '--cache', str(folder), *arguments])


@pytest.mark.slow
def test_builds_once_per_size_and_gpu_and_then_loads(tmp_path, capsys):
    pytest.importorskip('tensorrt_rtx')
    wish = ('--precision', 'fp32', '--compute-capability', 'sm86', 'SM120', '--size', '90x64')
    assert call(tmp_path / 'e', '--check', *wish) == 1
    assert not (tmp_path / 'e').exists()
    assert call(tmp_path / 'e', *wish) == 0
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert lines[0].startswith('96x64 fp32 SM86: built: there is none for fast yet; ')
    assert lines[1].startswith('96x64 fp32 SM120: built: the nearest is of another capability ')
    assert call(tmp_path / 'e', *wish) == 0
    captured = capsys.readouterr()
    assert captured.out.count(f'loaded from {tmp_path / "e"}') == 2
    assert 'building' not in captured.err
    assert call(tmp_path / 'e', '--check', *wish) == 0
    shown = capsys.readouterr().out
    assert shown.count(': there is a valid engine') == 2
    assert '  capability: SM120\n' in shown and '  size: 96x64\n' in shown
    assert call(tmp_path / 'e', '--check', '--compute-capability', 'SM89', '--size', '96x64') == 1
    assert 'the nearest is of another capability (SM' in capsys.readouterr().out
    # A GPU of one of these capabilities looks for the very same entry.
    key = engine_key(
        api.load('tensorrt_rtx'), models.read(None, 'fast')[1],
        BuildOptions((64, 96), Precision('fp32')), Gpu('NVIDIA RTX A2000', (8, 6)))
    assert EngineCache(tmp_path / 'e').state(key) == (True, 'there is a valid engine')


def test_without_a_gpu_it_says_how_to_go_on(tmp_path, capsys):
    assert call(tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith('uaafusion build-engine: there is no GPU to build for: no NVIDIA')
    assert '--compute-capability' in error and error.count('\n') == 1


def test_a_gpu_that_rtx_does_not_know_is_one_line(tmp_path, capsys):
    pytest.importorskip('tensorrt_rtx')
    assert call(tmp_path / 'e', '--precision', 'fp32', '--compute-capability', 'SM90') == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert 'cannot build for SM90; it can for SM75' in last


class PretendedBackend:
    """Stands where TensorRT on a GPU would; notes what it was asked to prepare."""

    def __init__(self, fails):
        self.prepared, self.closed, self._fails = [], False, fails

    def prepare(self, height, width, progress):
        assert progress('Building engine', 0.5) is True
        if self._fails:
            raise EngineError('no engine computes what the model computes')
        self.prepared.append((height, width))

    def take_notes(self):
        return ['the fp16 engine was checked: 10 samples agree']

    def close(self):
        self.closed = True


@pytest.mark.parametrize('fails', [False, True])
def test_on_a_robot_the_nodes_own_way_is_gone(tmp_path, capsys, monkeypatch, fails):
    monkeypatch.setattr(gpus, 'find_gpu', lambda: ORIN)
    made = []

    def load(data, spec, gpu, folder, precision):
        assert (spec.preset, gpu, folder, precision) == ('fast', ORIN, tmp_path, 'fp16')
        made.append(PretendedBackend(fails))
        return made[-1]

    monkeypatch.setattr(backend, 'load', load)
    assert call(tmp_path, '--size', '640x480', '322x240') == (2 if fails else 0)
    captured = capsys.readouterr()
    assert all(one.closed for one in made)
    if fails:
        assert 'no engine computes what the model computes' in captured.err.splitlines()[-1]
        return
    assert [one.prepared for one in made] == [[(480, 640)], [(256, 352)]]
    assert '640x480 Orin: ready in' in captured.out
    assert 'the fp16 engine was checked: 10 samples agree' in captured.err


@pytest.mark.parametrize('text', ['640', '640x', 'x480', '0x480', '640x00', '-1x4', '640x480x3'])
def test_a_wrong_size_is_refused_in_a_sentence(text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(['build-engine', f'--size={text}'])
    assert caught.value.code == 2
    assert 'is no size; expected WIDTHxHEIGHT' in capsys.readouterr().err


def test_sizes_are_read_width_first():
    assert build_engine.size('640x480') == (480, 640)


def test_an_altered_model_is_refused(tmp_path, capsys):
    (tmp_path / 'own.onnx').write_bytes(b'nothing')
    assert call(tmp_path / 'e', '--model', str(tmp_path / 'own.onnx')) == 2
    assert 'own.onnx: not a readable ONNX model' in capsys.readouterr().err
    assert not (tmp_path / 'e').exists()
