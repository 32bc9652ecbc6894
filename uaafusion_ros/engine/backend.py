"""One protocol for every runtime, and the choice among them."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from uaafusion_ros.engine import models
from uaafusion_ros.engine.models import ModelSpec
from uaafusion_ros.engine.probe import probe
from uaafusion_ros.errors import EngineError

# Phase and share of the whole preparation (0 to 1); answers whether to go on.
Progress = Callable[[str, float], bool]
# Unread notes of a backend; older ones are forgotten.
NOTES = 32


@dataclass(frozen=True)
class EngineOutput:
    """fused uint8 HxWx3 RGB, mask uint8 HxW class ids, confidence uint8 HxW (255 = certain)."""

    fused: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray


class Backend(ABC):
    """
    A loaded model on one runtime; not for use by two threads at once.

    `name` is the runtime's, with its version; `choice` says why this one runs. `problem` is what
    is wrong now, `progress` what is being prepared and how far; both are empty most of the time,
    and any thread may read them.
    """

    def __init__(self, spec: ModelSpec, name: str) -> None:
        self.spec = spec
        self.name = name
        self.choice = ''
        self.problem = ''
        self.progress = ''
        self._notes: deque[str] = deque(maxlen=NOTES)

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

    def ready(self, height: int, width: int) -> bool:
        """Say whether images of this size run without a long preparation."""
        return True

    def prepare(self, height: int, width: int, progress: Progress | None = None) -> None:
        """
        Compile for an image size, so that the first image finds all ready.

        Seconds on a processor; a TensorRT engine that has to be built takes minutes, tells
        `progress` about it, and stops with EngineError when that returns False. Another thread
        than the one that infers may call it only where the class says so. Raises EngineError.
        """
        self.infer(np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8))

    def gpu_memory(self) -> tuple[int, int] | None:
        """
        Return the GPU's memory in bytes: what all programs use, and all there is.

        None on a processor, and while the GPU does not answer. Any thread may call.
        """
        return None

    def take_notes(self) -> list[str]:
        """Return what happened since the last call that a user should know, one sentence each."""
        notes: list[str] = []
        with suppress(IndexError):
            while True:
                notes.append(self._notes.popleft())
        return notes

    def _note(self, text: str) -> None:
        self._notes.append(text)

    @abstractmethod
    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        """Run the graph on contiguous images of a fitting size; new arrays, in graph order."""

    @abstractmethod
    def close(self) -> None:
        """Free the runtime's memory."""


# Name, module it needs, file that holds it, class: the runtimes of a processor, best first.
BACKENDS = (
    ('openvino', 'openvino', 'openvino_backend', 'OpenVINOBackend'),
    ('onnxruntime', 'onnxruntime', 'onnxruntime_backend', 'ONNXRuntimeBackend'),
)
INSTALL = {'openvino': 'pip install openvino', 'onnxruntime': 'pip install onnxruntime'}
NAMES = ('auto', 'tensorrt', *(row[0] for row in BACKENDS), 'torch')


def load_backend(model: Path | None = None, preset: str = 'fast', backend: str = 'auto',
                 threads: int = 0, cache: Path | None = None,
                 precision: str = 'fp16', progress: Progress | None = None) -> Backend:
    """
    Load a model on a runtime.

    model: an ONNX file of this package, or None for the shipped one of `preset`. backend: a name
    of NAMES; 'auto' is TensorRT where there is a GPU and a TensorRT, else the first of BACKENDS
    that is installed and loads. 'torch' is for development machines, and runs a training
    checkpoint, or the shipped weights of `preset`. threads: of the processor's runtimes, 0 = all
    cores. cache: folder of TensorRT's engines, None for the user's; precision: 'fp16' or 'fp32',
    what TensorRT computes in; progress: told of every preparation, from another thread; one that
    it stops is tried later.

    Returns at once: the graph is compiled by `prepare` or for the first image of a size, and
    TensorRT's engine is built while a runtime of the processor works. Raises ModelFileError or
    EngineError.
    """
    if backend not in NAMES:
        raise EngineError(f"backend '{backend}' is unknown; known: {', '.join(NAMES)}")
    if backend == 'torch':
        return _load_torch(model, preset)
    pinned = None
    if model is None:
        model, pinned = models.shipped(preset)
    data, spec = models.load(model, pinned)
    passed_over = []
    if backend in ('auto', 'tensorrt'):
        try:
            return _load_tensorrt(data, spec, threads, cache, precision, progress, backend)
        except EngineError as error:
            if backend != 'auto':
                raise EngineError(
                    f"backend 'tensorrt' cannot run here: {error}; set engine.backend to auto, "
                    f'{" or ".join(row[0] for row in BACKENDS)}') from error
            passed_over.append(f'no TensorRT: {str(error).removeprefix("no TensorRT: ")}')
    return _load_on_processor(data, spec, threads, backend, passed_over)


def _load_on_processor(data: bytes, spec: ModelSpec, threads: int, backend: str,
                       passed_over: list[str]) -> Backend:
    automatic = backend == 'auto'
    for name, module, file, cls in BACKENDS:
        if not automatic and backend != name:
            continue
        try:
            if find_spec(module) is None:
                raise EngineError(f"backend '{name}' needs the Python package {module}, which is "
                                  f'not installed: {INSTALL[name]}')
            loaded = _construct(name, file, cls)(data, spec, threads)
        except EngineError as error:
            if not automatic:
                raise
            passed_over = [*passed_over, str(error)]
            continue
        loaded.choice = '; '.join(passed_over) if automatic else 'asked for'
        return loaded
    raise EngineError(f'no runtime could load {spec.path}: {"; ".join(passed_over)}')


def _construct(name: str, file: str, cls: str) -> Callable[..., Backend]:
    try:
        return getattr(import_module(f'uaafusion_ros.engine.{file}'), cls)
    except Exception as error:  # a half-installed runtime fails in its own ways
        raise EngineError(f"backend '{name}' is installed but cannot be imported ({error}); "
                          f'install it again: {INSTALL[name]}') from error


def _load_tensorrt(data: bytes, spec: ModelSpec, threads: int, cache: Path | None,
                   precision: str, progress: Progress | None, backend: str) -> Backend:
    """Return TensorRT with a processor's runtime to stand in; EngineError where there is none."""
    found = probe()
    if found.gpu is None:
        raise EngineError(found.reason)
    fallback = import_module('uaafusion_ros.engine.fallback')
    try:
        primary = import_module('uaafusion_ros.engine.tensorrt.backend').load(
            data, spec, found.gpu, cache, precision)
    except EngineError:
        raise
    except Exception as error:  # a half-installed runtime fails in its own ways
        raise EngineError(f'{type(error).__name__}: {error}') from error
    loaded = fallback.Resilient(
        primary, lambda: _load_on_processor(data, spec, threads, 'auto', []), progress)
    loaded.choice = f'on {found.gpu.name}' if backend == 'auto' else 'asked for'
    return loaded


def _load_torch(model: Path | None, preset: str) -> Backend:
    pinned = None
    if model is None:
        model, pinned = models.shipped_weights(preset)
    try:
        return import_module('uaafusion_ros.engine.torch_backend').load(model, pinned=pinned)
    except ImportError as error:
        raise EngineError(f"backend 'torch' is for development and needs PyTorch ({error}): "
                          "pip install 'uaafusion_ros[train]'") from error
