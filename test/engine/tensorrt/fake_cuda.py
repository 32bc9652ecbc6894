"""
A fake of the module cuda.bindings.runtime, for machines without a GPU.

"Device" memory is the host's. Work put on a stream runs when an event or the stream is waited
for, as late as a GPU may do it, and each address it touches must be allocated then. `calls` lists
every call, `live` what was created and not destroyed; `fail_at` makes one call return an error.
"""

import ctypes
from enum import IntEnum


class cudaError_t(IntEnum):  # noqa: N801
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorInvalidResourceHandle = 400


OK = cudaError_t.cudaSuccess


class cudaDeviceAttr(IntEnum):  # noqa: N801
    cudaDevAttrIntegrated = 18


class cudaMemcpyKind(IntEnum):  # noqa: N801
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class cudaStreamCaptureMode(IntEnum):  # noqa: N801
    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1


class FakeCuda:
    """Stands in for the module."""

    cudaDeviceAttr = cudaDeviceAttr
    cudaMemcpyKind = cudaMemcpyKind
    cudaStreamCaptureMode = cudaStreamCaptureMode
    cudaStreamNonBlocking = 1
    cudaEventBlockingSync = 1
    cudaEventDisableTiming = 2
    cudaHostAllocDefault = 0
    cudaHostAllocMapped = 2

    memory_bytes = 8 * 10 ** 9
    empty = {'cudaMemGetInfo': (None, None)}  # what a failed call returns beside its status

    def __init__(self, integrated=False, fail_at=None):
        self.integrated = integrated
        self.fail_at = fail_at
        self.calls = []
        self.live = {}
        self.captures = {}
        self._memory = {}
        self._next = 100

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if not name.startswith('cuda') or not callable(found) or isinstance(found, type):
            return found

        def called(*args):
            self.calls.append(name)
            if self.fail_at == len(self.calls) - 1:
                if name == 'cudaStreamEndCapture':  # a broken capture is over, too
                    del self.captures[args[0]]
                return (cudaError_t.cudaErrorMemoryAllocation, *self.empty.get(name, (None,)))
            return found(*args)

        return called

    # What tests ask.

    def names(self):
        """Return the kinds of what is alive, sorted."""
        return sorted(self.live.values())

    def view(self, address, size):
        """Return the bytes at an address, which must be inside live memory."""
        for start, array in self._memory.items():
            if start <= address and address + size <= start + len(array):
                return (ctypes.c_uint8 * size).from_address(address)
        raise AssertionError(f'{size} bytes at {address:#x} are not allocated')

    def put(self, stream, work):
        """Put work on a stream, as a kernel launch does."""
        assert self.live[int(stream)] == 'stream'
        self.captures.get(int(stream), self._queue(stream)).append(work)

    # The module's functions.

    def cudaSetDevice(self, device):
        assert device == 0
        return (OK,)

    def cudaDeviceGetAttribute(self, attribute, device):
        assert attribute is cudaDeviceAttr.cudaDevAttrIntegrated
        return OK, int(self.integrated)

    def cudaGetErrorName(self, status):
        return OK, status.name.encode()

    def cudaGetErrorString(self, status):
        return OK, b'out of memory'

    def cudaGetLastError(self):
        return (OK,)

    def cudaStreamCreateWithFlags(self, flags):
        assert flags == self.cudaStreamNonBlocking
        stream = self._create('stream')
        setattr(self, f'_queue_{stream}', [])
        return OK, stream

    def cudaStreamDestroy(self, stream):
        assert not self._queue(stream), 'destroyed while work is pending'
        assert stream not in self.captures, 'destroyed while capturing'
        return self._destroy(stream, 'stream')

    def cudaEventCreateWithFlags(self, flags):
        assert flags == self.cudaEventBlockingSync | self.cudaEventDisableTiming
        return OK, self._create('event')

    def cudaEventRecord(self, event, stream):
        assert self.live[event] == 'event'
        setattr(self, f'_recorded_{event}', stream)
        return (OK,)

    def cudaEventSynchronize(self, event):
        assert self.live[event] == 'event'
        self._run(getattr(self, f'_recorded_{event}'))
        return (OK,)

    def cudaEventDestroy(self, event):
        return self._destroy(event, 'event')

    def cudaStreamSynchronize(self, stream):
        self._run(stream)
        return (OK,)

    def cudaMemGetInfo(self):
        used = sum(map(len, self._memory.values()))
        return OK, self.memory_bytes - used, self.memory_bytes

    def cudaMalloc(self, size):
        return OK, self._allocate(size, 'device memory')

    def cudaFree(self, address):
        return self._free(address, 'device memory')

    def cudaHostAlloc(self, size, flags):
        kind = 'mapped memory' if flags == self.cudaHostAllocMapped else 'pinned memory'
        return OK, self._allocate(size, kind)

    def cudaHostGetDevicePointer(self, address, flags):
        assert self.live[address] == 'mapped memory'
        return OK, address

    def cudaFreeHost(self, address):
        return self._free(address, self.live[address])

    def cudaMemcpyAsync(self, target, source, size, kind, stream):
        host, device = ((source, target) if kind is cudaMemcpyKind.cudaMemcpyHostToDevice
                        else (target, source))
        assert self.live[host] == 'pinned memory'
        assert self.live[device] == 'device memory'

        def copy():
            self.view(target, size)[:] = self.view(source, size)

        self.put(stream, copy)
        return (OK,)

    def cudaStreamBeginCapture(self, stream, mode):
        assert mode is cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        assert not self._queue(stream)
        self.captures[stream] = []
        return (OK,)

    def cudaStreamEndCapture(self, stream):
        graph = self._create('graph')
        setattr(self, f'_work_{graph}', self.captures.pop(stream))
        return OK, graph

    def cudaGraphInstantiate(self, graph, flags):
        assert self.live[graph] == 'graph'
        executable = self._create('executable graph')
        setattr(self, f'_work_{executable}', getattr(self, f'_work_{graph}'))
        return OK, executable

    def cudaGraphDestroy(self, graph):
        return self._destroy(graph, 'graph')

    def cudaGraphLaunch(self, executable, stream):
        assert self.live[executable] == 'executable graph'
        self._queue(stream).extend(getattr(self, f'_work_{executable}'))
        return (OK,)

    def cudaGraphExecDestroy(self, executable):
        return self._destroy(executable, 'executable graph')

    def _queue(self, stream):
        return getattr(self, f'_queue_{int(stream)}')

    def _run(self, stream):
        assert self.live[stream] == 'stream'
        queue = self._queue(stream)
        while queue:
            queue.pop(0)()

    def _create(self, kind):
        self._next += 1
        self.live[self._next] = kind
        return self._next

    def _destroy(self, handle, kind):
        assert self.live.pop(handle) == kind
        return (OK,)

    def _allocate(self, size, kind):
        array = (ctypes.c_uint8 * size)()
        address = ctypes.addressof(array)
        self._memory[address] = array
        self.live[address] = kind
        return address

    def _free(self, address, kind):
        assert self.live.pop(address) == kind
        # Kept aside, so that a use after the free meets the check above and not the allocator.
        self.__dict__.setdefault('_graveyard', []).append(self._memory.pop(address))
        return (OK,)
