"""A GPU is looked for in a driver compiled for the test: real calls of a fake libcuda."""

import ctypes
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

from uaafusion_ros.engine.gpu import find_gpu
from uaafusion_ros.engine.gpu import Gpu
from uaafusion_ros.errors import EngineError

SOURCE = '''
#include <string.h>
int cuInit(unsigned flags) {{ return {init}; }}
int {count_name}(int *count) {{ *count = {count}; return 0; }}
int cuDeviceGet(int *device, int ordinal) {{ *device = 7 + ordinal; return 0; }}
int cuDeviceGetName(char *name, int size, int device) {{
    if (device != 7 || size < 16) return 101;
    strcpy(name, "Orin"); return 0;
}}
int cuDeviceGetAttribute(int *value, int attribute, int device) {{
    if (device != 7) return 101;
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : -1; return 0;
}}
int cuGetErrorString(int status, const char **text) {{
    if (status == 999) {{ *text = 0; return 1; }}
    *text = "no CUDA-capable device is detected"; return 0;
}}
'''


@pytest.fixture
def fake_driver(tmp_path):
    compiler = shutil.which('cc') or pytest.skip('no C compiler')

    def compiled(init=0, count=1, count_name='cuDeviceGetCount'):
        source = tmp_path / 'fake_libcuda.c'
        source.write_text(SOURCE.format(init=init, count=count, count_name=count_name))
        library = tmp_path / f'fake_libcuda_{init}_{count}_{count_name}.so'
        subprocess.run([compiler, '-shared', '-fPIC', '-o', library, source], check=True)
        return lambda name: ctypes.CDLL(str(library))

    return compiled


def test_a_device_is_described(fake_driver):
    gpu = find_gpu(fake_driver())
    assert gpu == Gpu('Orin', (8, 7))
    assert gpu.architecture == 'SM87'


def test_a_driver_without_devices(fake_driver):
    with pytest.raises(EngineError, match='sees no GPU'):
        find_gpu(fake_driver(count=0))


@pytest.mark.parametrize('status,text', [
    (100, 'cuInit returned 100 (no CUDA-capable device is detected)'),
    (999, 'cuInit returned 999 (unknown error)'),
])
def test_a_driver_that_does_not_start(fake_driver, status, text):
    with pytest.raises(EngineError) as caught:
        find_gpu(fake_driver(init=status))
    assert text in str(caught.value)


def test_a_library_that_is_no_driver(fake_driver):
    with pytest.raises(EngineError, match='has no cuDeviceGetCount'):
        find_gpu(fake_driver(count_name='cuSomethingElse'))


def test_no_driver():
    def absent(name):
        raise OSError(f'{name}: cannot open shared object file')

    with pytest.raises(EngineError, match=r'^no NVIDIA driver is installed \(libcuda.so.1: '):
        find_gpu(absent)


def test_nothing_of_cuda_is_imported():
    """It must be possible to ask where every CUDA package would fail."""
    code = ('import sys; from uaafusion_ros.engine.gpu import find_gpu\n'
            'try:\n    print(find_gpu())\nexcept Exception as error:\n'
            '    print(type(error).__name__)\n'
            'print([m for m in sys.modules if m.startswith(("cuda", "tensorrt", "torch"))])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(('Gpu(', 'EngineError'))
    assert done.stdout.splitlines()[1] == '[]'
