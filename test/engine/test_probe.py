"""The probe against a driver compiled for the test: real calls of a fake libcuda."""

import ctypes
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

from uaafusion_ros.engine.probe import Gpu
from uaafusion_ros.engine.probe import Probe
from uaafusion_ros.engine.probe import probe

SOURCE = '''
#include <string.h>
int cuInit(unsigned flags) {{ return {init}; }}
int cuDeviceGetCount(int *count) {{ *count = {count}; return 0; }}
int cuDeviceGet(int *device, int ordinal) {{ *device = 7 + ordinal; return 0; }}
int cuDeviceGetName(char *name, int size, int device) {{
    if (device != 7 || size < 16) return 101;
    strcpy(name, "Orin"); return 0;
}}
int cuDeviceGetAttribute(int *value, int attribute, int device) {{
    if (device != 7) return 101;
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 18 ? 1 : -1; return 0;
}}
int {version}(int *version) {{ *version = 12060; return 0; }}
int cuGetErrorString(int status, const char **text) {{
    if (status == 999) {{ *text = 0; return 1; }}
    *text = "no CUDA-capable device is detected"; return 0;
}}
'''


@pytest.fixture
def fake_driver(tmp_path):
    compiler = shutil.which('cc') or pytest.skip('no C compiler')

    def compiled(init=0, count=1, version='cuDriverGetVersion'):
        source = tmp_path / 'fake_libcuda.c'
        source.write_text(SOURCE.format(init=init, count=count, version=version))
        library = tmp_path / f'fake_libcuda_{init}_{count}_{version}.so'
        subprocess.run([compiler, '-shared', '-fPIC', '-o', library, source], check=True)
        return lambda name: ctypes.CDLL(str(library))

    return compiled


def test_a_device_is_described(fake_driver):
    assert probe(fake_driver()) == Probe(Gpu('Orin', (8, 7), True, (12, 6)))


def test_a_driver_without_devices(fake_driver):
    found = probe(fake_driver(count=0))
    assert found.gpu is None
    assert 'sees no GPU' in found.reason


@pytest.mark.parametrize('status,text', [
    (100, 'cuInit returned 100 (no CUDA-capable device is detected)'),
    (999, 'cuInit returned 999 (unknown error)'),
])
def test_a_driver_that_does_not_start(fake_driver, status, text):
    found = probe(fake_driver(init=status))
    assert found.gpu is None
    assert text in found.reason


def test_a_library_that_is_no_driver(fake_driver):
    found = probe(fake_driver(version='cuSomethingElse'))
    assert found.gpu is None
    assert 'has no cuDriverGetVersion' in found.reason


def test_no_driver():
    def absent(name):
        raise OSError(f'{name}: cannot open shared object file')

    found = probe(absent)
    assert found == Probe(
        None, 'no NVIDIA driver is installed (libcuda.so.1: cannot open shared object file)')


def test_nothing_of_cuda_is_imported():
    """The probe must be askable where every CUDA package would fail."""
    code = ('import sys; from uaafusion_ros.engine.probe import probe; print(probe()); '
            'print([m for m in sys.modules if m.startswith(("cuda", "tensorrt", "torch"))])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith('Probe(gpu=')
    assert done.stdout.splitlines()[1] == '[]'
