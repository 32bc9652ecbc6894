"""OpenVINO on the CPU: the fastest runtime without a GPU."""

from __future__ import annotations

import numpy as np
import openvino

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.contract import OUTPUTS
from uaafusion_ros.engine.contract import PerSize
from uaafusion_ros.errors import EngineError
from uaafusion_ros.imaging.buffers import message_image


class OpenVINOBackend(Backend):
    """Runs a model's bytes on OpenVINO's CPU plugin in float32."""

    def __init__(self, data: bytes, spec: ModelSpec, threads: int) -> None:
        super().__init__(spec, f'openvino {openvino.__version__.split("-")[0]}')
        self._core = openvino.Core()
        self._data = data
        self._config: dict[str, str | int] = {
            'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32'}
        if threads:
            self._config['INFERENCE_NUM_THREADS'] = threads
        self._requests = PerSize(self._compile, compile_free=self._compile)

    def _compile(self, height: int = -1, width: int = -1) -> openvino.InferRequest:
        """Compile for a size, or, with -1, for any."""
        try:
            model = self._core.read_model(self._data)
            model.reshape({'rgb': [height, width, 3], 'thermal': [height, width]})
            compiled = self._core.compile_model(model, 'CPU', self._config)
        except RuntimeError as error:
            size = f'{width}x{height}' if height > 0 else 'any size'
            raise EngineError(f'OpenVINO cannot compile {self.spec.path} for {size}: '
                              f'{str(error).strip().splitlines()[-1]}') from error
        return compiled.create_infer_request()

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        request = self._requests.get(*thermal.shape)
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
        # The graphs' maker refers back to this object; what is large must not wait for the
        # garbage collector.
        self._core, self._data = None, b''
