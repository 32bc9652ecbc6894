"""The few CUDA calls that the engine needs, each checked, each resource with an owner."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
import ctypes
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from uaafusion_ros.errors import EngineError
from uaafusion_ros.packages import pip_install


def load() -> ModuleType:
    """Import cuda-python's runtime bindings; raises EngineError where they are missing."""
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise EngineError(f'the Python package cuda-bindings is needed to run on a GPU ({error}): '
                          f'{pip_install("cuda-bindings")}, in the major version of the CUDA '
                          'that the driver serves (12 on JetPack 6)') from error
    return runtime


@dataclass(frozen=True)
class HostBuffer:
    """
    Page-locked memory that both sides can reach.

    array: uint8, on the host. address: the device's address of the same bytes; 0 unless mapped.
    """

    array: np.ndarray
    address: int


class Cuda:
    """
    The first device, through the module `cuda.bindings.runtime`.

    What is created here is given to an ExitStack, its owner, which releases in reverse order
    whatever fails in between. Every call raises EngineError with CUDA's own words. The device's
    primary context is used, so any thread may call, and PyTorch may share the device.
    """

    def __init__(self, api: ModuleType) -> None:
        self._api = api
        self._call('cudaSetDevice', 0)
        self.integrated = bool(self._call(
            'cudaDeviceGetAttribute', api.cudaDeviceAttr.cudaDevAttrIntegrated, 0))

    def memory(self) -> tuple[int, int]:
        """Return the device's memory in bytes: what all programs use of it, and all there is."""
        status, free, total = self._api.cudaMemGetInfo()
        self._check('cudaMemGetInfo', status)
        return total - free, total

    def stream(self, owner: ExitStack) -> Any:
        """Return a stream that does not wait for the default one."""
        stream = self._call('cudaStreamCreateWithFlags', self._api.cudaStreamNonBlocking)
        owner.callback(self._call, 'cudaStreamDestroy', stream)
        return stream

    def event(self, owner: ExitStack) -> Any:
        """Return an event whose waiter sleeps: spinning would take a core from the robot."""
        event = self._call('cudaEventCreateWithFlags', self._api.cudaEventBlockingSync
                           | self._api.cudaEventDisableTiming)
        owner.callback(self._call, 'cudaEventDestroy', event)
        return event

    def device_memory(self, size: int, owner: ExitStack) -> int:
        """Return the address of `size` bytes on the device."""
        address = int(self._call('cudaMalloc', size))
        owner.callback(self._call, 'cudaFree', address)
        return address

    def host_memory(self, size: int, mapped: bool, owner: ExitStack) -> HostBuffer:
        """Return `size` page-locked bytes, mapped into the device's address space if asked."""
        flag = self._api.cudaHostAllocMapped if mapped else self._api.cudaHostAllocDefault
        host = int(self._call('cudaHostAlloc', size, flag))
        owner.callback(self._call, 'cudaFreeHost', host)
        array = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(host))
        address = int(self._call('cudaHostGetDevicePointer', host, 0)) if mapped else 0
        return HostBuffer(array, address)

    def upload(self, address: int, source: HostBuffer, stream: Any) -> None:
        """Enqueue the copy of a page-locked buffer to the device."""
        self._copy(address, source.array.ctypes.data, source.array.nbytes,
                   self._api.cudaMemcpyKind.cudaMemcpyHostToDevice, stream)

    def download(self, target: HostBuffer, address: int, stream: Any) -> None:
        """Enqueue the copy of the device's bytes to a page-locked buffer."""
        self._copy(target.array.ctypes.data, address, target.array.nbytes,
                   self._api.cudaMemcpyKind.cudaMemcpyDeviceToHost, stream)

    def _copy(self, *args: Any) -> None:
        self._call('cudaMemcpyAsync', *args)

    def capture(self, stream: Any, enqueue: Callable[[], None], owner: ExitStack) -> Any:
        """
        Record what `enqueue` puts on the stream, and return it as an executable graph.

        Nothing runs meanwhile. After a failure the stream can be used as before.
        """
        # Thread-local: another thread of the process may allocate, as an engine's build does.
        self._call('cudaStreamBeginCapture', stream,
                   self._api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
        try:
            enqueue()
        except BaseException:
            _, graph = self._api.cudaStreamEndCapture(stream)
            if graph is not None and int(graph):
                self._call('cudaGraphDestroy', graph)
            self._api.cudaGetLastError()  # TensorRT would take a remembered error for its own
            raise
        try:
            graph = self._call('cudaStreamEndCapture', stream)
            try:
                executable = self._call('cudaGraphInstantiate', graph, 0)
                owner.callback(self._call, 'cudaGraphExecDestroy', executable)
            finally:
                self._call('cudaGraphDestroy', graph)
        except EngineError:
            self._api.cudaGetLastError()
            raise
        return executable

    def launch(self, graph: Any, stream: Any) -> None:
        """Enqueue a captured graph."""
        self._call('cudaGraphLaunch', graph, stream)

    def wait(self, event: Any, stream: Any) -> None:
        """Sleep until all that was enqueued on the stream is done."""
        self._call('cudaEventRecord', event, stream)
        self._call('cudaEventSynchronize', event)

    def synchronise(self, stream: Any) -> None:
        """Wait for the stream, to release what its work uses."""
        self._call('cudaStreamSynchronize', stream)

    def _call(self, function: str, *args: Any) -> Any:
        status, *values = getattr(self._api, function)(*args)
        self._check(function, status)
        return values[0] if values else None

    def _check(self, function: str, status: Any) -> None:
        if int(status):
            raise EngineError(f'CUDA: {function} failed: {self._text(status)}')

    def _text(self, status: Any) -> str:
        name, text = (
            (value or b'').decode(errors='replace')
            for _, value in (self._api.cudaGetErrorName(status),
                             self._api.cudaGetErrorString(status)))
        return f'{text} ({name}, {int(status)})'
