"""TensorRT as a backend: an engine per image size, built or loaded, checked, then run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from uaafusion_ros.engine.backend import Backend
from uaafusion_ros.engine.backend import EngineOutput
from uaafusion_ros.engine.backend import Progress
from uaafusion_ros.engine.models import ModelSpec
from uaafusion_ros.engine.probe import Gpu
from uaafusion_ros.engine.sizes import PerSize
from uaafusion_ros.engine.tensorrt import api as apis
from uaafusion_ros.engine.tensorrt import builder
from uaafusion_ros.engine.tensorrt import cuda as cudas
from uaafusion_ros.engine.tensorrt import gate
from uaafusion_ros.engine.tensorrt.api import Api
from uaafusion_ros.engine.tensorrt.builder import BuildCancelled
from uaafusion_ros.engine.tensorrt.builder import BuildOptions
from uaafusion_ros.engine.tensorrt.builder import PRECISIONS
from uaafusion_ros.engine.tensorrt.builder import Sizes
from uaafusion_ros.engine.tensorrt.builder import TimingStore
from uaafusion_ros.engine.tensorrt.cache import default_folder
from uaafusion_ros.engine.tensorrt.cache import engine_key
from uaafusion_ros.engine.tensorrt.cache import EngineCache
from uaafusion_ros.engine.tensorrt.cache import EngineKey
from uaafusion_ros.engine.tensorrt.cache import TimingFile
from uaafusion_ros.engine.tensorrt.cache import Verdicts
from uaafusion_ros.engine.tensorrt.cuda import Cuda
from uaafusion_ros.engine.tensorrt.gate import Comparison
from uaafusion_ros.engine.tensorrt.gate import GateReport
from uaafusion_ros.engine.tensorrt.gate import Rung
from uaafusion_ros.engine.tensorrt.runtime import EngineRefused
from uaafusion_ros.engine.tensorrt.runtime import Session
from uaafusion_ros.errors import EngineError


class Build(Protocol):
    """What builds an engine; see builder.build, of which these are the last arguments."""

    def __call__(self, options: BuildOptions, progress: Progress, timing: TimingStore) -> bytes:
        """Return a serialised engine."""


def load(data: bytes, spec: ModelSpec, gpu: Gpu, folder: Path | None,
         precision: str) -> TensorRTBackend:
    """
    Return TensorRT for a model's bytes on a GPU that the driver has found; nothing is built yet.

    folder: of the engine cache, None for the user's. Raises EngineError where TensorRT, its
    support of this GPU or cuda-bindings is missing.
    """
    if precision not in PRECISIONS:
        raise EngineError(f"precision '{precision}' is unknown; known: {', '.join(PRECISIONS)}")
    api = apis.load()
    if api.capabilities and _capability(gpu) not in api.module.ComputeCapability.__members__:
        raise EngineError(f'{api.name} does not serve the {gpu.name} (compute capability '
                          f'{gpu.capability[0]}.{gpu.capability[1]}); install tensorrt')
    cuda = Cuda(cudas.load())

    def build(options: BuildOptions, progress: Progress, timing: TimingStore) -> bytes:
        return builder.build(api, data, options, progress, timing)

    def reference() -> Backend:
        from uaafusion_ros.engine.onnxruntime_backend import ONNXRuntimeBackend
        return ONNXRuntimeBackend(data, spec, 0)

    return TensorRTBackend(spec, api, cuda, gpu, EngineCache(folder or default_folder()),
                           precision, build, reference)


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
        self._ladder = gate.LADDER if precision == 'fp16' else (Rung('fp32'),)
        self._build = build
        self._reference = reference
        self._progress: Progress = _silent
        self._sessions = PerSize(self._open, Session.close)

    def ready(self, height: int, width: int) -> bool:
        """Say whether the engine of this size is loaded."""
        return self._padded(height, width) in self._sessions

    def prepare(self, height: int, width: int, progress: Progress | None = None) -> None:
        """Load or build, check and warm up the engine of an image size; see Backend."""
        self._progress = progress or _silent
        try:
            self._sessions.get(*self._padded(height, width))
        finally:
            self._progress = _silent

    def gpu_memory(self) -> tuple[int, int] | None:
        """Return the device's memory in use and in all, in bytes; see Backend."""
        try:
            return self._cuda.memory()
        except EngineError:  # inference says what is wrong with the device
            return None

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        unit = self.spec.multiple
        return -(-height // unit) * unit, -(-width // unit) * unit

    def _run(self, rgb: np.ndarray, thermal: np.ndarray) -> list[np.ndarray]:
        return self._sessions.get(*thermal.shape).run(rgb, thermal)

    def _open(self, height: int, width: int) -> Session:
        accepted: list[Session] = []

        def attempt(rung: Rung) -> GateReport:
            options = BuildOptions(Sizes.fixed(height, width), rung.precision, rung.keep_fp32,
                                   capability=_capability(self._gpu) if self._api.capabilities
                                   else '')
            session, report = self._attempt(options)
            if report.passed:
                accepted.append(session)
            else:
                session.close()
            return report

        rung = gate.climb(attempt, self._note, self._ladder)
        session, = accepted
        if session.no_graph:
            self._note(f'no CUDA graph, so a few more microseconds per image: {session.no_graph}')
        self._note(f'the engine for {width}x{height} runs in {rung}')
        return session

    def _attempt(self, options: BuildOptions) -> tuple[Session, GateReport]:
        """Return an engine, loaded, and whether it may be used."""
        key = engine_key(self._api, self.spec.preset, self.spec.sha256, options, self._gpu.name,
                         self._gpu.capability)
        fresh: list[bytes] = []

        def build() -> bytes:
            fresh.append(self._build(options, self._progress, TimingFile(self._cache, key)))
            return fresh[0]

        plan, _ = self._cache.get_or_build(
            key, build, self._note, lambda: self._progress('waiting for another process', 0.0))
        try:
            session = Session(self._api, self._cuda, plan, *options.sizes.usual)
        except EngineRefused as error:
            if fresh:
                raise
            # Such as after a change of the driver, which no key knows.
            self._note(f'{error}; building one that lasts until the node ends; to be rid of this, '
                       f'remove {self._cache.folder}')
            plan = build()
            session = Session(self._api, self._cuda, plan, *options.sizes.usual)
        try:
            return session, self._judge(key, plan, session)
        except BaseException:
            session.close()
            raise

    def _judge(self, key: EngineKey, plan: bytes, session: Session) -> GateReport:
        verdicts = Verdicts(self._cache)
        kept = verdicts.read(key, plan)
        if kept is not None:
            passed, text = kept
            return GateReport((
                Comparison('an earlier check', 0, 1.0, 0.0, '' if passed else text),))
        pairs = gate.samples(session.height, session.width)
        reference = self._reference()
        comparisons: list[Comparison] = []
        try:
            for index, pair in enumerate(pairs):
                if not self._progress(f'checking on {pair.name}', index / len(pairs)):
                    raise BuildCancelled('the check of an engine was stopped on request')
                comparisons += gate.check(_Candidate(session), reference, [pair]).comparisons
        finally:
            reference.close()
        report = GateReport(tuple(comparisons))
        verdicts.write(key, plan, report.passed, report.line())
        self._note(f'the {key.precision} engine was checked: {report.line()}')
        return report

    def close(self) -> None:
        """Free every engine; what CUDA refuses to free is raised after all was tried."""
        self._sessions.clear()


class _Candidate:
    """A session as the gate wants to see it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def infer(self, rgb: np.ndarray, thermal: np.ndarray) -> EngineOutput:
        """Run a pair of the engine's size."""
        return EngineOutput(*self._session.run(rgb, thermal))


def _capability(gpu: Gpu) -> str:
    """Return such as SM86, by which TensorRT-RTX's engines are built ahead and found."""
    return f'SM{gpu.capability[0]}{gpu.capability[1]}'


def _silent(phase: str, share: float) -> bool:
    return True
