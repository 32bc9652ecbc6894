"""One protocol for every runtime, and the choice among them."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from uaafusion_ros.engine import models
from uaafusion_ros.engine.models import ModelSpec
from uaafusion_ros.errors import EngineError


@dataclass(frozen=True)
class EngineOutput:
    """fused uint8 HxWx3 RGB, mask uint8 HxW class ids, confidence uint8 HxW (255 = certain)."""

    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray


class Backend(ABC):
    """
    A loaded model on one runtime; not for use by two threads at once.

    `name` is the runtime's, with its version; `choice` says why this one runs.
    """

    def __init__(self, spec: ModelSpec, name: str) -> None:
        self.spec = spec
        self.name = name
        self.choice = ''

    def infer(self, rgb: np.ndarray, thermal: np.ndarray) -> EngineOutput:
        """
        Fuse and segment rgb uint8 HxWx3 and thermal uint8 HxW of one size.

        A size that is no multiple of the model's is padded at the right and bottom by repeating
        the border, and the outputs are cut back. Raises EngineError for anything else.
        """
        height, width = thermal.shape[:2]
        if (rgb.dtype != np.uint8 or thermal.dtype != np.uint8 or thermal.ndim != 2
                or rgb.shape != (height, width, 3) or 0 in thermal.shape):
            raise EngineError(f'rgb is {rgb.dtype} {rgb.shape}, thermal {thermal.dtype} '
                              f'{thermal.shape}; expected uint8 (H, W, 3) and uint8 (H, W)')
        down, right = -height % self.spec.multiple, -width % self.spec.multiple
        if down or right:
            rgb, thermal = (
                cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
                for image in (rgb, thermal))
        outputs = self._run(np.ascontiguousarray(rgb), np.ascontiguousarray(thermal))
        if down or right:
            outputs = [np.ascontiguousarray(array[:height, :width]) for array in outputs]
        return EngineOutput(*outputs)

    @abstractmethod
    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        """Run the graph on contiguous images of a fitting size; new arrays, in graph order."""

    @abstractmethod
    def close(self) -> None:
        """Free the runtime's memory."""


# Name, module it needs, file that holds it, class; in order of preference.
BACKENDS = (
    ('openvino', 'openvino', 'openvino_backend', 'OpenVINOBackend'),
    ('onnxruntime', 'onnxruntime', 'onnxruntime_backend', 'ONNXRuntimeBackend'),
)
INSTALL = {'openvino': 'pip install openvino', 'onnxruntime': 'pip install onnxruntime'}


def load_backend(model: Path | None = None, preset: str = 'fast', backend: str = 'auto',
                 threads: int = 0) -> Backend:
    """
    Load a model on a runtime.

    model: an ONNX file of this package, or None for the shipped one of `preset`. backend:
    'auto' (the first of BACKENDS that is installed and loads) or a name; threads: 0 = all cores.
    The graph itself is compiled for the first image of a size. Raises ModelFileError or
    EngineError.
    """
    pinned = None
    if model is None:
        model, pinned = models.shipped(preset)
    data, spec = models.load(model, pinned)
    names = [row[0] for row in BACKENDS]
    if backend == 'tensorrt':
        raise EngineError(_no_tensorrt(names))
    if backend not in ('auto', *names):
        raise EngineError(f"backend '{backend}' is unknown; known: auto, {', '.join(names)}")
    passed_over = []
    for name, module, file, cls in BACKENDS:
        if backend not in ('auto', name):
            continue
        try:
            if find_spec(module) is None:
                raise EngineError(f"backend '{name}' needs the Python package {module}, which is "
                                  f'not installed: {INSTALL[name]}')
            loaded = _construct(name, file, cls)(data, spec, threads)
        except EngineError as error:
            if backend != 'auto':
                raise
            passed_over.append(str(error))
            continue
        loaded.choice = 'asked for' if backend != 'auto' else '; '.join(
            [*passed_over, 'first choice' if not passed_over else 'next choice'])
        return loaded
    raise EngineError(f'no runtime could load {model}: {"; ".join(passed_over)}')


def _construct(name: str, file: str, cls: str) -> Callable[..., Backend]:
    try:
        return getattr(import_module(f'uaafusion_ros.engine.{file}'), cls)
    except Exception as error:  # a half-installed runtime fails in its own ways
        raise EngineError(f"backend '{name}' is installed but cannot be imported ({error}); "
                          f'install it again: {INSTALL[name]}') from error


def _no_tensorrt(names: list[str]) -> str:
    installed = find_spec('tensorrt') is not None
    return (f"backend 'tensorrt': the Python package tensorrt is "
            f'{"installed, but" if installed else "not installed, and"} this version of '
            f"uaafusion_ros runs no TensorRT engine yet; set engine.backend to auto, "
            f'{" or ".join(names)}')
