"""ONNX Runtime on the CPU: always there, and the reference for the others."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import onnxruntime

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.contract import OUTPUTS
from uaafusion_ros.engine.contract import Progress
from uaafusion_ros.errors import EngineError


class ONNXRuntimeBackend(Backend):
    """
    Runs a model's bytes on ONNX Runtime's CPU provider.

    One session runs every size: one of a fixed size is not faster. Any thread may prepare.
    """

    def __init__(self, data: bytes, spec: ModelSpec, threads: int) -> None:
        super().__init__(spec, f'onnxruntime {onnxruntime.__version__}')
        self._data = data
        self._threads = threads

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # A robot's other processes need the cores between two frames.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(
                self._data, options, providers=['CPUExecutionProvider'])
        except Exception as error:  # its exception types are not public
            raise EngineError(
                f'ONNX Runtime cannot prepare {self.spec.path}: {error}') from error

    def prepare(self, height: int, width: int, progress: Progress | None = None) -> None:
        """Open the session, which takes images of any size; see Backend."""
        super().prepare(self.spec.multiple, self.spec.multiple)

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        session = self._session
        try:
            return session.run(list(OUTPUTS), {'rgb': rgb, 'thermal': thermal})
        except Exception as error:
            raise EngineError(f'ONNX Runtime failed on {self.spec.path}: {error}') from error

    def close(self) -> None:
        """Free the session and the model's bytes at once, not when garbage is collected."""
        self.__dict__.pop('_session', None)
        self._data = b''
