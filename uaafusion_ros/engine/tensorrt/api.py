"""
TensorRT's Python interface: which there is, what it can do, and how its objects are handled.

Everything else takes the `Api` that is made here and imports no TensorRT.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
import re
import threading
import traceback
from types import ModuleType
from typing import Any
from typing import TYPE_CHECKING

from uaafusion_ros.errors import EngineError

if TYPE_CHECKING:
    from uaafusion_ros.engine.contract import Progress

# Module names, the full TensorRT before the one for RTX cards, which knows fewer GPUs.
FLAVOURS = ('tensorrt', 'tensorrt_rtx')
# JetPack 6 brings 10.3; the calls used here are older, but nothing below was tried.
OLDEST = (10, 3)
# Strongly typed networks are complete from 10.12 on (TensorRT 10.12 release notes).
STRONGLY_TYPED_SINCE = (10, 12)

INSTALL = ('on a Jetson it comes with JetPack (a virtual environment needs '
           '--system-site-packages to see it), elsewhere: pip install tensorrt, or '
           'tensorrt-rtx for an RTX card')

# TensorRT notes the logger of each builder and runtime under a lock of its own, and speaks to the
# logger, which is Python, meanwhile. A second thread that held the GIL and waited for that lock
# would wait forever, so builders and runtimes are made and freed under this one.
REGISTRY = threading.Lock()


@dataclass(frozen=True)
class Api:
    """
    A TensorRT module and what it can do.

    flavour: 'tensorrt' or 'tensorrt_rtx'. version: numbers of the module's __version__, all of
    them. The flags, in the order of use:

    strongly_typed_flag: create_network takes STRONGLY_TYPED (TensorRT 11 and RTX know no other
    kind of network, and accept the flag where they have it). fp16_flag: a float32 ONNX file can
    be built in float16 by BuilderFlag.FP16, the better way before 10.12. capabilities: engines
    can be built for named compute capabilities, without that GPU or any. timing_cache: measured
    kernels can be kept for the next build.
    """

    module: ModuleType
    flavour: str
    version: tuple[int, ...]
    strongly_typed_flag: bool
    fp16_flag: bool
    capabilities: bool
    timing_cache: bool

    @property
    def name(self) -> str:
        """Flavour and version, such as 'tensorrt 10.3.0'."""
        return f'{self.flavour} {".".join(map(str, self.version))}'


def load(flavour: str = 'auto') -> Api:
    """
    Import a TensorRT and describe it.

    flavour: 'auto' (the first of FLAVOURS that imports) or one of them. Importing loads NVIDIA's
    libraries but touches no GPU. Raises EngineError saying why none could be imported.
    """
    reasons = []
    for name in FLAVOURS if flavour == 'auto' else (flavour,):
        spec = find_spec(name)
        # A folder that happens to be called tensorrt imports as an empty package.
        if spec is None or spec.origin is None:
            reasons.append(f'the Python package {name} is not installed')
            continue
        try:
            module = import_module(name)
        except Exception as error:  # placeholders and half installations fail in their own ways
            reasons.append(f'{name} cannot be imported ({_first_line(error)})')
        else:
            return describe(module, name)
    raise EngineError(f'{", ".join(reasons)}; {INSTALL}')


def describe(module: ModuleType, flavour: str) -> Api:
    """
    Return what a TensorRT module can do, found by looking for names; it is not called.

    Raises EngineError for a version before 10.3.
    """
    version = tuple(int(number) for number in re.findall(r'\d+', module.__version__))
    # TensorRT-RTX counts its own versions; its interface is that of TensorRT 11.
    if flavour == 'tensorrt' and version < OLDEST:
        raise EngineError(
            f'TensorRT {module.__version__} is too old; 10.3 to 11 are supported: use JetPack 6 '
            'or newer on a Jetson, `pip install --upgrade tensorrt` elsewhere')
    return Api(
        module=module, flavour=flavour, version=version,
        strongly_typed_flag=hasattr(module.NetworkDefinitionCreationFlag, 'STRONGLY_TYPED'),
        fp16_flag=(flavour == 'tensorrt' and version < STRONGLY_TYPED_SINCE
                   and hasattr(module.BuilderFlag, 'FP16')),
        capabilities=hasattr(module, 'ComputeCapability'),
        # RTX has the name but ignores it.
        timing_cache=flavour == 'tensorrt' and hasattr(module, 'ITimingCache'))


def forget_frames(error: BaseException) -> None:
    """
    Clear the variables of every function that `error`, or what led to it, has ended.

    A traceback holds them for as long as the error is kept, and one that holds itself, as many
    do, until the garbage collector runs: maybe inside a message of TensorRT, where freeing one of
    its builders waits for a lock that its own thread holds. To be called by the function that
    called those; its own variables stay.
    """
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        traceback.clear_frames(one.__traceback__)
        chain += [one.__cause__, one.__context__]


def error_log(trt: Any) -> Any:
    """Return an ILogger that keeps the first error for `take`."""

    class Log(trt.ILogger):
        def __init__(self) -> None:
            super().__init__()
            self._error = ''

        def log(self, severity: Any, message: str) -> None:
            # The first error is the cause, the rest is what it broke.
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR) and not self._error:
                self._error = ' '.join(message.split())[:300]

        def take(self) -> str:
            error, self._error = self._error, ''
            return error or 'it does not say why'

    return Log()


def progress_monitor(trt: Any, progress: Progress) -> Any:
    """
    Return an IProgressMonitor that adds TensorRT's nested phases up to one share.

    `stopped` says whether `progress` ended the build, `failure` what it raised, if anything.
    """

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            super().__init__()
            self.stopped = False
            self.failure: BaseException | None = None
            self._lock = threading.Lock()
            self._phases: dict[str, tuple[str | None, int, int]] = {}
            self._share = 0.0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._phases[phase_name] = (parent_phase, max(1, num_steps), 0)
            self._tell(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                parent, steps, _ = self._phases.get(phase_name, (None, step + 1, 0))
                self._phases[phase_name] = (parent, steps, step + 1)
            return self._tell(phase_name)

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._phases.pop(phase_name, None)

        def _tell(self, name: str) -> bool:
            # An exception that reached TensorRT's threads would end the process.
            try:
                with self._lock:
                    self._share = max(self._share, self._share_of(name))
                    share = self._share
                if not self.stopped and not progress(name, share):
                    self.stopped = True
            except BaseException as error:  # such as KeyboardInterrupt: raised after the build
                self.stopped, self.failure = True, error
            return not self.stopped

        def _share_of(self, name: str) -> float:
            share = 0.0
            at: str | None = name
            while at in self._phases:
                at, steps, done = self._phases[at]
                share = min(1.0, (done + share) / steps)
            return share

    return Monitor()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
