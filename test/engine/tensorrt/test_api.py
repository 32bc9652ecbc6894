"""What each TensorRT can do, by the names that its versions are known to have."""

from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from uaafusion_ros.engine.tensorrt import api
from uaafusion_ros.errors import EngineError


def named(*names):
    return SimpleNamespace(**dict.fromkeys(names))


def module(version):
    """Return a fake with the names that a TensorRT of this version has, and no more."""
    major, minor = (int(number) for number in version.split('.')[:2])
    old = (major, minor) < (11, 0)
    return SimpleNamespace(
        __version__=version,
        BuilderFlag=named(*(['FP16', 'INT8'] if old else [])),
        NetworkDefinitionCreationFlag=named(
            'STRONGLY_TYPED', *(['EXPLICIT_BATCH'] if old else [])),
        ITimingCache=None)


@pytest.mark.parametrize('version,numbers,fp16_flag', [
    ('10.3.0', (10, 3, 0), True),          # JetPack 6
    ('10.11.0.33', (10, 11, 0, 33), True),
    ('10.12.0', (10, 12, 0), False),       # strong typing complete
    ('10.13.3.9', (10, 13, 3, 9), False),  # JetPack 7
    ('11.4.1.7', (11, 4, 1, 7), False)])   # FP16 flag gone
def test_tensorrt_by_version(version, numbers, fp16_flag):
    found = api.describe(module(version), 'tensorrt')
    assert found.version == numbers
    assert found.name == f'tensorrt {version}'
    assert found.fp16_flag is fp16_flag
    assert found.strongly_typed_flag and found.timing_cache
    assert not found.capabilities


@pytest.mark.parametrize('version', ['8.6.1', '9.3.0', '10.0.1', '10.2.0'])
def test_too_old_a_tensorrt_says_which_is_needed(version):
    with pytest.raises(EngineError, match=f'TensorRT {version} is too old; 10.3 to 11'):
        api.describe(module(version), 'tensorrt')


def test_the_real_rtx():
    pytest.importorskip('tensorrt_rtx')
    found = api.load('tensorrt_rtx')
    assert found.flavour == 'tensorrt_rtx' and found.version >= (1, 7)
    assert found.name == f'tensorrt_rtx {found.module.__version__}'
    assert found.capabilities
    assert not found.fp16_flag and not found.timing_cache


def test_none_installed_names_both_and_the_cure(monkeypatch):
    monkeypatch.setattr(api, 'find_spec', lambda name: None)
    with pytest.raises(EngineError, match='tensorrt is not .*tensorrt_rtx is not .*--system-site'
                       ) as caught:
        api.load()
    assert '\n' not in str(caught.value)
    with pytest.raises(EngineError, match='^the Python package tensorrt_rtx is not'):
        api.load('tensorrt_rtx')


def test_a_broken_installation_is_passed_over_and_named(monkeypatch):
    def broken(name):
        if name == 'tensorrt':
            raise RuntimeError('Bindings for libnvinfer.so.10 not found\nmore')
        return module('1.7')

    monkeypatch.setattr(api, 'find_spec', lambda name: SimpleNamespace(origin=name))
    monkeypatch.setattr(api, 'import_module', broken)
    assert api.load().name == 'tensorrt_rtx 1.7'
    with pytest.raises(EngineError, match='tensorrt cannot be imported .*libnvinfer.so.10 not') \
            as caught:
        api.load('tensorrt')
    assert '\n' not in str(caught.value)


def test_a_folder_called_tensorrt_is_none(tmp_path, monkeypatch):
    pytest.importorskip('tensorrt_rtx')
    if find_spec('tensorrt') is not None:
        pytest.skip('TensorRT is installed')
    (tmp_path / 'tensorrt').mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert api.load().flavour == 'tensorrt_rtx'
