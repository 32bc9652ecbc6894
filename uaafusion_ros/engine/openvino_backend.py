"""OpenVINO on the CPU: the fastest runtime without a GPU."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
import platform

import numpy as np
import openvino

from uaafusion_ros import share
from uaafusion_ros.engine.cache import default_folder
from uaafusion_ros.engine.cache import EngineCache
from uaafusion_ros.engine.cache import EngineKey
from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.contract import OUTPUTS
from uaafusion_ros.engine.contract import PerSize
from uaafusion_ros.engine.contract import Progress
from uaafusion_ros.engine.onnxruntime_backend import ONNXRuntimeBackend
from uaafusion_ros.errors import EngineError
from uaafusion_ros.imaging.buffers import message_image

# Images of a size that ONNX Runtime runs before a graph of that size pays for itself.
MET = 50


class OpenVINOBackend(Backend):
    """
    Runs a model's bytes on OpenVINO's CPU plugin in float32, a size that is rare on ONNX Runtime.

    A graph of one size is the fastest, but compiling it costs as much as running ten images, and
    OpenVINO's graph of any size makes its kernels anew for each. ONNX Runtime's does not. So the
    first size, one that was prepared, and one that was met MET times have a graph, and any other
    costs a few milliseconds more per image: a folder of mixed sizes compiles one graph. `name` is
    that of the runtime that ran last. Any thread may prepare.
    """

    def __init__(self, data: bytes, spec: ModelSpec, threads: int,
                 cache: Path | None = None) -> None:
        """Load nothing yet; cache: folder of the compiled graphs, None for the user's."""
        self._own_name = f'openvino {openvino.__version__.split("-")[0]}'
        super().__init__(spec, self._own_name)
        self._core = openvino.Core()
        self._data = data
        self._config: dict[str, str | int] = {
            'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32'}
        if threads:
            self._config['INFERENCE_NUM_THREADS'] = threads
        # Apart from TensorRT's, which take minutes to build and must not make room for these.
        self._cache = EngineCache((cache or default_folder()) / 'openvino')
        self._requests = PerSize(self._open)
        self._any_size = ONNXRuntimeBackend(data, spec, threads)
        self._met: Counter[tuple[int, ...]] = Counter()

    def prepare(self, height: int, width: int, progress: Progress | None = None) -> None:
        """Compile for an image size, beside what runs the others; see Backend."""
        self._requests.get(*self.graph_size(height, width))
        self._any_size.prepare(height, width)

    def _open(self, height: int, width: int) -> openvino.InferRequest:
        """Load the graph of a size, compiled in an earlier run or now."""
        new: list[openvino.CompiledModel] = []

        def build() -> bytes:
            model = self._core.read_model(self._data)
            model.reshape({'rgb': [height, width, 3], 'thermal': [height, width]})
            new.append(self._core.compile_model(model, 'CPU', self._config))
            return new[0].export_model().getvalue()

        try:
            # Told to nobody: a cache that cannot be used costs a second.
            kept = self._cache.get_or_build(
                self._key(height, width), build, lambda text: None)
            if not new:
                with suppress(RuntimeError):  # it may refuse what another processor can run
                    new.append(self._core.import_model(kept.engine, 'CPU', self._config))
            if not new:
                build()
        except RuntimeError as error:
            raise EngineError(f'OpenVINO cannot compile {self.spec.path} for {width}x{height}: '
                              f'{str(error).strip().splitlines()[-1]}') from error
        return new[0].create_infer_request()

    def _key(self, height: int, width: int) -> EngineKey:
        def of_processor(name: str) -> str:
            return str(self._core.get_property('CPU', name))

        return EngineKey(
            self.spec.preset, self.spec.sha256, share.version(),
            f'openvino {openvino.__version__}', of_processor('FULL_DEVICE_NAME'),
            of_processor('OPTIMIZATION_CAPABILITIES'), platform.machine(), 'fp32', (),
            f'{width}x{height}')

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        size = thermal.shape
        if self._requests and size not in self._requests and self._met[size] < MET:
            self._met[size] += 1
            self.name = self._any_size.name
            return self._any_size._run(rgb, thermal)
        self._met.pop(size, None)
        self.name = self._own_name
        request = self._requests.get(*size)
        outputs = {name: message_image(thermal.shape + (3,) * kind.endswith('x3'))
                   for name, kind in OUTPUTS.items()}
        try:
            for name, image in outputs.items():
                request.set_tensor(name, openvino.Tensor(image, shared_memory=True))
            request.infer({'rgb': rgb, 'thermal': thermal}, share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f'OpenVINO failed on {self.spec.path}: {error}') from error
        return list(outputs.values())

    def close(self) -> None:
        """Free the compiled graphs, the runtime and the model's bytes at once."""
        self._requests.clear()
        self._any_size.close()
        # The graphs' maker refers back to this object; what is large must not wait for the
        # garbage collector.
        self._core, self._data = None, b''
