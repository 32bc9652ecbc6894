"""
The table of backends, and the choice among them.

Imports the standard library alone until a backend is asked for: command lines and parameters take
the names from here.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from uaafusion_ros.engine.cores import core_limit
from uaafusion_ros.engine.gpu import find_gpu
from uaafusion_ros.engine.tensorrt.api import INSTALL
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.errors import ModelFileError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.packages import pip_install

if TYPE_CHECKING:
    import numpy as np

    from uaafusion_ros.engine.contract import Backend
    from uaafusion_ros.engine.contract import ModelSpec
    from uaafusion_ros.engine.contract import Progress
    from uaafusion_ros.engine.explanation import Explanation


@dataclass(frozen=True)
class Request:
    """What is to be loaded; see `load_backend`."""

    model: Path | None
    preset: str
    threads: int
    working_size: tuple[int, int]
    cache: Path | None
    precision: str
    progress: Progress | None

    @cached_property
    def onnx(self) -> tuple[bytes, ModelSpec]:
        """Bytes and description of the ONNX model; raises ModelFileError."""
        from uaafusion_ros.engine import models
        return models.read(self.model, self.preset)


@dataclass(frozen=True)
class Runtime:
    """
    A backend that can be asked for by `name`.

    package: the Python package without which it is not tried, '' = `load` looks itself. install:
    what to do where it is missing or broken. load: imports the backend and constructs it; it sets
    its `choice`, if it has a reason, and raises EngineError with one. runs_on: 'gpu' or
    'processor', which 'auto' tries in the order of the table, or 'development', which runs where
    it is asked for only, and in no node.
    """

    name: str
    package: str
    install: str
    runs_on: str
    load: Callable[[Request], Backend]


def _tensorrt(asked: Request) -> Backend:
    """Return TensorRT, with a runtime of the processor that stands in."""
    gpu = find_gpu()
    from uaafusion_ros.engine.failover import FailoverBackend
    from uaafusion_ros.engine.tensorrt.backend import load
    primary = load(*asked.onnx, gpu, asked.cache, asked.precision)
    loaded = FailoverBackend(primary, lambda: _first(PROCESSOR, asked), asked.progress)
    loaded.choice = f'on {gpu.name}'
    return loaded


def _openvino(asked: Request) -> Backend:
    from uaafusion_ros.engine.openvino_backend import OpenVINOBackend
    return OpenVINOBackend(*asked.onnx, asked.threads, asked.cache)


def _onnxruntime(asked: Request) -> Backend:
    from uaafusion_ros.engine.onnxruntime_backend import ONNXRuntimeBackend
    return ONNXRuntimeBackend(*asked.onnx, asked.threads)


def _torch(asked: Request) -> Backend:
    """Return PyTorch for a training checkpoint, or for the shipped weights of a preset."""
    from uaafusion_ros.engine import models
    path, pinned = (asked.model, None) if asked.model else models.shipped_weights(asked.preset)
    from uaafusion_ros.engine import torch_backend
    return torch_backend.load(path, pinned=pinned)


# Best first.
TABLE = (
    Runtime('tensorrt', '', INSTALL, 'gpu', _tensorrt),
    Runtime('openvino', 'openvino', pip_install('openvino'), 'processor', _openvino),
    Runtime('onnxruntime', 'onnxruntime', pip_install('onnxruntime'), 'processor', _onnxruntime),
    Runtime('torch', 'torch', pip_install('torch', 'safetensors'), 'development', _torch),
)
NAMES = ('auto', *(row.name for row in TABLE))
PROCESSOR = tuple(row for row in TABLE if row.runs_on == 'processor')
AUTOMATIC = tuple(row for row in TABLE if row.runs_on != 'development')
# What a node may be told to run on.
NODE_NAMES = ('auto', *(row.name for row in AUTOMATIC))


def load_backend(model: Path | None = None, preset: str = 'fast', backend: str = 'auto',
                 threads: int = 0, working_size: tuple[int, int] = (0, 0),
                 cache: Path | None = None, precision: str = 'fp16',
                 progress: Progress | None = None) -> Backend:
    """
    Load a model on a runtime.

    model: an ONNX file of this package, or a training checkpoint for 'torch'; None for the
    shipped one of `preset`. backend: one of NAMES; 'auto' is the first of AUTOMATIC that loads.
    threads: of the processor's runtimes, 0 = all that they may use; working_size: (width, height)
    that they work in on much larger images, (0, 0) = never. cache: folder of the compiled engines,
    None for the user's; precision: 'fp16' or 'fp32', what TensorRT computes in; progress: told of
    every preparation, from another thread; one that it stops is tried later.

    Returns at once: the graph is compiled by `prepare` or for the first image of a size, and
    TensorRT's engine is built while a runtime of the processor works. Raises ModelFileError or
    EngineError.
    """
    asked = Request(
        model, preset, threads or core_limit(), working_size, cache, precision, progress)
    if backend == 'auto':
        return _first(AUTOMATIC, asked)
    for row in TABLE:
        if row.name == backend:
            try:
                loaded = _load(row, asked)
            except ModelFileError:
                raise
            except EngineError as error:
                others = ', '.join(name for name in NODE_NAMES if name != backend)
                raise EngineError(f"backend '{backend}' cannot run here: {error}; other backends: "
                                  f'{others}') from error
            loaded.choice = 'asked for'
            return loaded
    raise EngineError(f"backend '{backend}' is unknown; known: {', '.join(NAMES)}")


def load_explainer(
    path: Path, pinned: str | None = None
) -> tuple[Callable[[np.ndarray, np.ndarray], Explanation], ModelSpec]:
    """
    Return what explains a pair, and the description of the model, an ONNX file or a checkpoint.

    What is returned takes rgb uint8 HxWx3 and thermal uint8 HxW, cut at the right and bottom to
    the model's multiple. pinned: the sha256 that the file must have. Raises ModelFileError, or
    DependencyError where a checkpoint has no PyTorch; the explainer raises EngineError.
    """
    if path.suffix == '.safetensors':
        try:
            from uaafusion_ros.engine import torch_backend
        except ImportError as error:
            raise DependencyError(f'{path.name} needs PyTorch ({error}): '
                                  f'{pip_install("torch", "safetensors")}') from error
        network, spec = torch_backend.read(path, pinned)
        explain = partial(torch_backend.explain, network)
    else:
        from uaafusion_ros.engine import explanation
        from uaafusion_ros.engine import models
        data, spec = models.load(path, pinned)
        explain = partial(explanation.explain, data)

    def explain_cut(rgb: np.ndarray, thermal: np.ndarray) -> Explanation:
        height, width = (side // spec.multiple * spec.multiple for side in thermal.shape)
        if not height or not width:
            raise EngineError(f'an image of {thermal.shape[1]}x{thermal.shape[0]} is smaller than '
                              f'{spec.multiple} pixels, the least that the model can explain')
        return explain(*(image[:height, :width].copy() for image in (rgb, thermal)))

    return explain_cut, spec


def _first(rows: Sequence[Runtime], asked: Request) -> Backend:
    """Return the first that loads; its `choice` says why those before it did not."""
    reasons: list[str] = []
    for row in rows:
        try:
            loaded = _load(row, asked)
        except ModelFileError:
            raise
        except EngineError as error:
            reasons.append(f'no {row.name}: {error}')
        else:
            loaded.choice = '; '.join(reasons) or loaded.choice
            return loaded
    raise EngineError(f'no backend can run here: {"; ".join(reasons)}')


def _load(row: Runtime, asked: Request) -> Backend:
    """Return a backend; raises ModelFileError, or EngineError with a reason and what to do."""
    if row.package and find_spec(row.package) is None:
        raise EngineError(f'the Python package {row.package} is not installed: {row.install}')
    try:
        loaded = row.load(asked)
    except UaafusionError:
        raise
    except Exception as error:  # a half-installed runtime fails in its own ways
        raise EngineError(f'it is installed but cannot be loaded ({type(error).__name__}: '
                          f'{error}); install it again: {row.install}') from error
    if row.runs_on == 'processor':
        loaded.working_size = asked.working_size
    return loaded
