"""
Is there a GPU? Asked of the driver alone, before any CUDA library is touched.

Without a driver TensorRT's runtime can end the process, and an exception cannot be caught there.
"""

from __future__ import annotations

from collections.abc import Callable
import ctypes
from dataclasses import dataclass
from typing import Any

DRIVER = 'libcuda.so.1'
# CUdevice_attribute of cuda.h.
_INTEGRATED = 18
_CAPABILITY_MAJOR = 75
_CAPABILITY_MINOR = 76


@dataclass(frozen=True)
class Gpu:
    """
    The first CUDA device.

    capability: compute capability (major, minor). integrated: it shares the processor's memory,
    as on a Jetson. cuda: newest CUDA version (major, minor) that the driver serves.
    """

    name: str
    capability: tuple[int, int]
    integrated: bool
    cuda: tuple[int, int]


@dataclass(frozen=True)
class Probe:
    """What was found: a GPU, or None and the reason in one sentence."""

    gpu: Gpu | None
    reason: str = ''


class _DriverError(Exception):
    """A call of the driver returned an error."""


def probe(load: Callable[[str], Any] = ctypes.CDLL) -> Probe:
    """
    Ask the CUDA driver for its first device; never raises and imports no CUDA package.

    CUDA_VISIBLE_DEVICES is obeyed. load: opens a shared library by name.
    """
    try:
        driver = load(DRIVER)
    except OSError as error:
        return Probe(None, f'no NVIDIA driver is installed ({error})')
    try:
        _call(driver, 'cuInit', 0)
        if _integer(driver, 'cuDeviceGetCount') == 0:
            return Probe(None, 'the NVIDIA driver sees no GPU (look at CUDA_VISIBLE_DEVICES)')
        device = _integer(driver, 'cuDeviceGet', 0)
        name = ctypes.create_string_buffer(256)
        _call(driver, 'cuDeviceGetName', name, len(name), device)
        major, minor, integrated = (
            _integer(driver, 'cuDeviceGetAttribute', attribute, device)
            for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR, _INTEGRATED))
        version = _integer(driver, 'cuDriverGetVersion')
    except _DriverError as error:
        return Probe(None, f'the NVIDIA driver does not work: {error}')
    return Probe(Gpu(name.value.decode(errors='replace'), (major, minor), bool(integrated),
                     (version // 1000, version % 1000 // 10)))


def _integer(driver: Any, function: str, *args: int) -> int:
    """Return the integer that a function writes to its first argument."""
    value = ctypes.c_int()
    _call(driver, function, ctypes.byref(value), *args)
    return value.value


def _call(driver: Any, function: str, *args: Any) -> None:
    try:
        status = getattr(driver, function)(*args)
    except AttributeError as error:
        raise _DriverError(f'{DRIVER} has no {function}') from error
    if status:
        text = ctypes.c_char_p()
        try:
            driver.cuGetErrorString(status, ctypes.byref(text))
        except AttributeError:
            pass  # the number alone must do
        said = (text.value or b'unknown error').decode(errors='replace')
        raise _DriverError(f'{function} returned {status} ({said})')
