"""TensorRT as a backend: an engine per image size, built or loaded, checked, then run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from uaafusion_ros.engine.cache import Cached
from uaafusion_ros.engine.cache import default_folder
from uaafusion_ros.engine.cache import EngineCache
from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.contract import PerSize
from uaafusion_ros.engine.contract import Progress
from uaafusion_ros.engine.gpu import Gpu
from uaafusion_ros.engine.tensorrt import api as apis
from uaafusion_ros.engine.tensorrt import cuda as cudas
from uaafusion_ros.engine.tensorrt import gate
from uaafusion_ros.engine.tensorrt.api import Api
from uaafusion_ros.engine.tensorrt.builder import build
from uaafusion_ros.engine.tensorrt.builder import BuildOptions
from uaafusion_ros.engine.tensorrt.builder import Built
from uaafusion_ros.engine.tensorrt.builder import engine_key
from uaafusion_ros.engine.tensorrt.builder import PRECISIONS
from uaafusion_ros.engine.tensorrt.cuda import Cuda
from uaafusion_ros.engine.tensorrt.gate import GateReport
from uaafusion_ros.engine.tensorrt.runtime import EngineRefused
from uaafusion_ros.engine.tensorrt.runtime import Session
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EngineError

# Builds an engine; see builder.build, of which these are the last arguments.
Build = Callable[[BuildOptions, Progress, bytes], Built]


def load(data: bytes, spec: ModelSpec, gpu: Gpu, folder: Path | None,
         precision: str) -> TensorRTBackend:
    """
    Return TensorRT for a model's bytes on a GPU that the driver has found; nothing is built yet.

    folder: of the engine cache, None for the user's. Raises EngineError where TensorRT, its
    support of this GPU or cuda-bindings is missing.
    """
    if precision not in PRECISIONS:
        raise EngineError(f"precision '{precision}' is unknown; known: {', '.join(PRECISIONS)}")
    from uaafusion_ros.engine.onnxruntime_backend import ONNXRuntimeBackend

    api = apis.load()
    if api.capabilities and gpu.architecture not in api.module.ComputeCapability.__members__:
        raise EngineError(f'{api.name} does not serve the {gpu.name} (compute capability '
                          f'{gpu.capability[0]}.{gpu.capability[1]}); install tensorrt')
    return TensorRTBackend(
        spec, api, Cuda(cudas.load()), gpu, EngineCache(folder or default_folder()), precision,
        partial(build, api, data), partial(ONNXRuntimeBackend, data, spec, 0))


class TensorRTBackend(Backend):
    """
    Runs engines of one size each; what is not in the cache is built, which takes minutes.

    An engine that does not compute what ONNX Runtime computes is not used; see gate. `prepare`
    and `infer` may be called by different threads, but not at the same time.
    """

    def __init__(self, spec: ModelSpec, api: Api, cuda: Cuda, gpu: Gpu, cache: EngineCache,
                 precision: str, build: Build, reference: Callable[[], Backend]) -> None:
        super().__init__(spec, f'{api.name} on {gpu.name}')
        self._api, self._cuda, self._gpu = api, cuda, gpu
        self._cache = cache
        self._precisions = PRECISIONS[precision]
        self._build = build
        self._reference = reference
        self._progress: Progress = _silent
        self._sessions = PerSize(self._open, Session.close)

    def ready(self, height: int, width: int) -> bool:
        """Say whether the engine of this size is loaded."""
        return self.spec.padded(height, width) in self._sessions

    def prepare(self, height: int, width: int, progress: Progress | None = None) -> None:
        """Load or build, check and warm up the engine of an image size; see Backend."""
        self._progress = progress or _silent
        try:
            self._sessions.get(*self.spec.padded(height, width))
        finally:
            self._progress = _silent

    def gpu_memory(self) -> tuple[int, int] | None:
        """Return the device's memory in use and in all, in bytes; see Backend."""
        try:
            return self._cuda.memory()
        except EngineError:  # inference says what is wrong with the device
            return None

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        return self._sessions.get(*thermal.shape).run(rgb, thermal)

    def _open(self, height: int, width: int) -> Session:
        capability = self._gpu.architecture if self._api.capabilities else ''
        for precision in self._precisions:
            try:
                session, passed, said = self._attempt(
                    BuildOptions((height, width), precision, capability))
            except DependencyError as error:
                said = str(error)
            else:
                if passed:
                    break
                session.close()
            self._note(f'the {precision} engine is not used: {said}')
        else:
            raise EngineError(f'no engine computes what the model computes, not even in '
                              f'{precision} ({said}); set engine.backend to onnxruntime or '
                              'openvino')
        if session.no_graph:
            self._note(f'no CUDA graph, so a few more microseconds per image: {session.no_graph}')
        self._note(f'the engine for {width}x{height} runs in {precision}')
        return session

    def _attempt(self, options: BuildOptions) -> tuple[Session, bool, str]:
        """Return an engine, loaded, whether it may be used, and what its check said."""
        key = engine_key(self._api, self.spec, options, self._gpu)
        fresh: list[bytes] = []

        def build_now() -> bytes:
            built = self._build(options, self._progress, self._cache.timing(key))
            if built.timing:
                self._cache.keep_timing(key, built.timing)
            fresh.append(built.engine)
            return built.engine

        cached = self._cache.get_or_build(
            key, build_now, self._note, lambda: self._progress('waiting for another process', 0.0))
        try:
            session = Session(self._api, self._cuda, cached.engine, *options.size)
        except EngineRefused as error:
            if fresh:
                raise
            # Such as after a change of the driver, which no key knows.
            self._note(f'{error}; building one that lasts until the node ends; to be rid of this, '
                       f'remove {self._cache.folder}')
            cached = Cached(build_now(), 'built')
            session = Session(self._api, self._cuda, cached.engine, *options.size)
        try:
            if cached.verdict is not None:
                return session, *cached.verdict
            report = self._check(session)
        except BaseException:
            session.close()
            raise
        self._cache.keep_verdict(key, cached.engine, report.passed, report.line())
        self._note(f'the {key.precision} engine was checked: {report.line()}')
        return session, report.passed, report.line()

    def _check(self, session: Session) -> GateReport:
        """Compare an engine with ONNX Runtime."""
        reference = self._reference()
        try:
            return gate.check(
                lambda rgb, thermal: EngineOutput(*session.run(rgb, thermal)), reference.infer,
                gate.samples(session.height, session.width), self._progress)
        finally:
            reference.close()

    def close(self) -> None:
        """Free every engine; what CUDA refuses to free is raised after all was tried."""
        self._sessions.clear()


def _silent(phase: str, share: float) -> bool:
    return True
