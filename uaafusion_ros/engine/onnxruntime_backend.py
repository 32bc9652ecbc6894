"""ONNX Runtime on the CPU: always there, and the reference for the others."""

from __future__ import annotations

import numpy as np
import onnxruntime

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.contract import OUTPUTS
from uaafusion_ros.engine.contract import PerSize
from uaafusion_ros.errors import EngineError


class ONNXRuntimeBackend(Backend):
    """Runs a model's bytes on ONNX Runtime's CPU provider."""

    def __init__(self, data: bytes, spec: ModelSpec, threads: int) -> None:
        super().__init__(spec, f'onnxruntime {onnxruntime.__version__}')
        self._data = data
        self._threads = threads
        self._sessions = PerSize(self._compile, compile_free=self._compile)

    def _compile(self, height: int = 0, width: int = 0) -> onnxruntime.InferenceSession:
        """Prepare for a size, or, with 0, for any."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # A robot's other processes need the cores between two frames.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        if height and width:
            options.add_free_dimension_override_by_name('height', height)
            options.add_free_dimension_override_by_name('width', width)
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(
                self._data, options, providers=['CPUExecutionProvider'])
        except Exception as error:  # its exception types are not public
            size = f'{width}x{height}' if height else 'any size'
            raise EngineError(f'ONNX Runtime cannot prepare {self.spec.path} for {size}: '
                              f'{error}') from error

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        session = self._sessions.get(*thermal.shape)
        try:
            return session.run(list(OUTPUTS), {'rgb': rgb, 'thermal': thermal})
        except Exception as error:
            raise EngineError(f'ONNX Runtime failed on {self.spec.path}: {error}') from error

    def close(self) -> None:
        """Free the sessions and the model's bytes at once, not when garbage is collected."""
        self._sessions.clear()
        self._data = b''
