"""One engine at one image size: loaded, warmed up, recorded as a CUDA graph, run."""

from __future__ import annotations

from contextlib import ExitStack
from contextlib import suppress
from dataclasses import dataclass
import math
from typing import Any

import numpy as np

from uaafusion_ros.engine.contract import INPUTS
from uaafusion_ros.engine.contract import OUTPUTS
from uaafusion_ros.engine.tensorrt.api import Api
from uaafusion_ros.engine.tensorrt.api import error_log
from uaafusion_ros.engine.tensorrt.api import forget_frames
from uaafusion_ros.engine.tensorrt.api import REGISTRY
from uaafusion_ros.engine.tensorrt.cuda import Cuda
from uaafusion_ros.engine.tensorrt.cuda import HostBuffer
from uaafusion_ros.errors import EngineError
from uaafusion_ros.imaging.buffers import message_image

# TensorRT allocates in its first run; the clock of a GPU rises in the ones after it.
WARM_UP = 10


class EngineRefused(EngineError):
    """TensorRT does not take an engine's bytes, or they are not an engine of this package."""


@dataclass(frozen=True)
class _Tensor:
    """image: view of the host's bytes in the tensor's shape; address: what TensorRT is told."""

    name: str
    host: HostBuffer
    image: np.ndarray
    address: int


class Session:
    """
    An engine with a context, a stream and buffers of its own; not for two threads at once.

    All memory is allocated here, none per image. Where the GPU shares the processor's memory,
    TensorRT reads and writes the host's buffers; elsewhere the copies to and from it are part of
    the recorded graph. `no_graph` says why there is no graph, or is empty.
    """

    def __init__(self, api: Api, cuda: Cuda, plan: bytes, height: int, width: int) -> None:
        """
        Load a serialised engine that the caller trusts, and warm it up.

        Raises EngineError when the engine is not one of this package, the GPU's memory does not
        suffice, or a run fails; nothing stays allocated then.
        """
        self.height, self.width = height, width
        self._cuda = cuda
        self._log = error_log(api.module)
        self._graph: Any = None
        self.no_graph = ''
        self._held: dict[str, Any] = {}
        self._owner = ExitStack()
        try:
            self._open(api, plan)
        except BaseException as error:
            forget_frames(error)
            with suppress(EngineError):  # what a lost device refuses to free is gone with it
                self.close()
            if isinstance(error, EngineError) or not isinstance(error, Exception):
                raise
            raise EngineError(f'TensorRT cannot prepare the engine: {error}') from error

    def _open(self, api: Api, plan: bytes) -> None:
        cuda = self._cuda
        # CUDA first: a lost device is reported by it, while TensorRT might end the process.
        self._stream = cuda.stream(self._owner)
        self._done = cuda.event(self._owner)
        shape = (self.height, self.width, 3)
        tensors = {name: self._buffer(name, shape[:2 + kind.endswith('x3')])
                   for name, kind in (*INPUTS.items(), *OUTPUTS.items())}
        self._inputs = [tensors[name] for name in INPUTS]
        self._outputs = [tensors[name] for name in OUTPUTS]
        with REGISTRY:
            runtime = api.module.Runtime(self._log)
        self._hold('runtime', runtime)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EngineRefused(f'TensorRT does not take the engine: {self._log.take()}')
        self._hold('engine', engine)
        del engine  # the last one to hold it must be the owner
        _check_tensors(api, self._held['engine'])
        self._hold('context', self._held['engine'].create_execution_context())
        self._owner.callback(cuda.synchronise, self._stream)
        self._connect(tensors)
        self._warm_up()
        self._record()
        self._warm_up()

    def run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        """Run one pair; new arrays fused, mask, confidence. Raises EngineError."""
        for tensor, image in zip(self._inputs, (rgb, thermal)):
            np.copyto(tensor.image, image)
        self._start()
        self._cuda.wait(self._done, self._stream)
        outputs = [message_image(tensor.image.shape) for tensor in self._outputs]
        for tensor, image in zip(self._outputs, outputs):
            np.copyto(image, tensor.image)
        return outputs

    def close(self) -> None:
        """
        Wait for the GPU and free everything, in reverse order; a second call does nothing.

        Raises EngineError after all was tried, when CUDA refused a part.
        """
        self._inputs = self._outputs = []
        self._owner.close()

    def _hold(self, name: str, thing: Any) -> None:
        """Keep an object of TensorRT until its turn comes: they must go in order, too."""
        if thing is None:
            raise EngineError(f'TensorRT gave no {name}: {self._log.take()}')
        self._held[name] = thing
        self._owner.callback(self._drop, name)

    def _drop(self, name: str) -> None:
        with REGISTRY:
            del self._held[name]

    def _buffer(self, name: str, shape: tuple[int, ...]) -> _Tensor:
        size = math.prod(shape)
        host = self._cuda.host_memory(size, self._cuda.integrated, self._owner)
        host.array[:] = 0
        address = host.address or self._cuda.device_memory(size, self._owner)
        return _Tensor(name, host, host.array.reshape(shape), address)

    def _connect(self, tensors: dict[str, _Tensor]) -> None:
        context = self._held['context']
        for tensor in self._inputs:
            if not context.set_input_shape(tensor.name, tensor.image.shape):
                raise EngineError(f'the engine does not take {tensor.name} of shape '
                                  f'{tensor.image.shape}: {self._log.take()}')
        for name, tensor in tensors.items():
            shape = tuple(context.get_tensor_shape(name))
            if shape != tensor.image.shape:
                raise EngineError(f'the engine makes {name} of shape {shape}, expected '
                                  f'{tensor.image.shape}; export the model again')
            if not context.set_tensor_address(name, tensor.address):
                raise EngineError(f'TensorRT refused the memory of {name}: {self._log.take()}')

    def _warm_up(self) -> None:
        for _ in range(WARM_UP):
            self._start()
            self._cuda.wait(self._done, self._stream)

    def _record(self) -> None:
        context = self._held['context']
        # TensorRT-RTX says beforehand.
        capturable = getattr(context, 'is_stream_capturable', lambda stream: True)
        if not capturable(int(self._stream)):
            self.no_graph = 'TensorRT says that this engine cannot be recorded'
            return
        try:
            self._graph = self._cuda.capture(self._stream, self._enqueue, self._owner)
        except EngineError as error:
            self.no_graph = str(error)

    def _start(self) -> None:
        if self._graph is None:
            self._enqueue()
        else:
            self._cuda.launch(self._graph, self._stream)

    def _enqueue(self) -> None:
        copied = not self._cuda.integrated
        for tensor in self._inputs if copied else ():
            self._cuda.upload(tensor.address, tensor.host, self._stream)
        if not self._held['context'].execute_async_v3(int(self._stream)):
            raise EngineError(f'TensorRT did not run the engine: {self._log.take()}')
        for tensor in self._outputs if copied else ():
            self._cuda.download(tensor.host, tensor.address, self._stream)


def _check_tensors(api: Api, engine: Any) -> None:
    """Refuse an engine whose inputs and outputs are not bytes of our names."""
    trt = api.module
    found = {}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        found[name] = (engine.get_tensor_mode(name), engine.get_tensor_dtype(name),
                       len(engine.get_tensor_shape(name)))
    expected = {
        name: (mode, trt.DataType.UINT8, 3 if kind.endswith('x3') else 2)
        for mode, kinds in ((trt.TensorIOMode.INPUT, INPUTS), (trt.TensorIOMode.OUTPUT, OUTPUTS))
        for name, kind in kinds.items()}
    if found != expected:
        raise EngineRefused(f'the engine has the tensors {found}, expected {expected}')
