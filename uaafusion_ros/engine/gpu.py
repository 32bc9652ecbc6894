"""
Is there a GPU? Asked of the driver alone, before any CUDA library is touched.

Without a driver TensorRT's runtime can end the process, and an exception cannot be caught there.
"""

from __future__ import annotations

from collections.abc import Callable
import ctypes
from dataclasses import dataclass
from typing import Any

from uaafusion_ros.errors import EngineError

DRIVER = 'libcuda.so.1'
# CUdevice_attribute of cuda.h.
_CAPABILITY_MAJOR = 75
_CAPABILITY_MINOR = 76


@dataclass(frozen=True)
class Gpu:
    """The first CUDA device; capability: its compute capability (major, minor)."""

    name: str
    capability: tuple[int, int]

    @property
    def architecture(self) -> str:
        """The compute capability as TensorRT-RTX writes it, such as 'SM86'."""
        return f'SM{self.capability[0]}{self.capability[1]}'


def find_gpu(load: Callable[[str], Any] = ctypes.CDLL) -> Gpu:
    """
    Ask the CUDA driver for its first device; imports no CUDA package.

    CUDA_VISIBLE_DEVICES is obeyed. load: opens a shared library by name. Raises EngineError that
    says why there is none.
    """
    try:
        driver = load(DRIVER)
    except OSError as error:
        raise EngineError(f'no NVIDIA driver is installed ({error})') from error
    _call(driver, 'cuInit', 0)
    if _integer(driver, 'cuDeviceGetCount') == 0:
        raise EngineError('the NVIDIA driver sees no GPU (look at CUDA_VISIBLE_DEVICES)')
    device = _integer(driver, 'cuDeviceGet', 0)
    name = ctypes.create_string_buffer(256)
    _call(driver, 'cuDeviceGetName', name, len(name), device)
    major, minor = (_integer(driver, 'cuDeviceGetAttribute', attribute, device)
                    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR))
    return Gpu(name.value.decode(errors='replace'), (major, minor))


def _integer(driver: Any, function: str, *args: int) -> int:
    """Return the integer that a function writes to its first argument."""
    value = ctypes.c_int()
    _call(driver, function, ctypes.byref(value), *args)
    return value.value


def _call(driver: Any, function: str, *args: Any) -> None:
    broken = 'the NVIDIA driver does not work:'
    try:
        status = getattr(driver, function)(*args)
    except AttributeError as error:
        raise EngineError(f'{broken} {DRIVER} has no {function}') from error
    if status:
        text = ctypes.c_char_p()
        if hasattr(driver, 'cuGetErrorString'):
            driver.cuGetErrorString(status, ctypes.byref(text))
        said = (text.value or b'unknown error').decode(errors='replace')
        raise EngineError(f'{broken} {function} returned {status} ({said})')
