"""Which TensorRT there is, and how it differs from the others, as data."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
import re
from types import ModuleType

from uaafusion_ros.errors import EngineError

# Module names, the full TensorRT before the one for RTX cards, which knows fewer GPUs.
FLAVOURS = ('tensorrt', 'tensorrt_rtx')
# JetPack 6 brings 10.3; the calls used here are older, but nothing below was tried.
OLDEST = (10, 3)
# Strongly typed networks are complete from 10.12 on (TensorRT 10.12 release notes).
STRONGLY_TYPED_SINCE = (10, 12)

INSTALL = ('on a Jetson it comes with JetPack (a virtual environment needs '
           '--system-site-packages to see it), elsewhere: pip install tensorrt, or '
           'tensorrt-rtx for an RTX card')


@dataclass(frozen=True)
class Api:
    """
    A TensorRT module and what it can do; everything else takes this and imports nothing.

    flavour: 'tensorrt' or 'tensorrt_rtx'. version: numbers of the module's __version__, all of
    them. The flags, in the order of use:

    strongly_typed_flag: create_network takes STRONGLY_TYPED (TensorRT 11 and RTX know no other
    kind of network, and accept the flag where they have it). fp16_flag: a float32 ONNX file can
    be built in float16 by BuilderFlag.FP16, the better way before 10.12. tf32_flag: float32
    convolutions may be rounded to TF32 unless the flag is cleared. capabilities: engines can be
    built for named compute capabilities, without that GPU or any. hardware_compatibility: one
    engine can serve several GPU generations. timing_cache: measured kernels can be kept for the
    next build. progress: a build reports its phases and can be stopped. stream_capturable: a
    context says whether a CUDA graph can be captured.
    """

    module: ModuleType
    flavour: str
    version: tuple[int, ...]
    strongly_typed_flag: bool
    fp16_flag: bool
    tf32_flag: bool
    capabilities: bool
    hardware_compatibility: bool
    timing_cache: bool
    progress: bool
    stream_capturable: bool

    @property
    def name(self) -> str:
        """Flavour and version, such as 'tensorrt 10.3.0'."""
        return f'{self.flavour} {".".join(map(str, self.version))}'


def find_module(flavour: str = 'auto') -> tuple[ModuleType, str]:
    """
    Import a TensorRT; returns (module, flavour).

    flavour: 'auto' (the first of FLAVOURS that imports) or one of them. Importing loads NVIDIA's
    libraries but touches no GPU. Raises EngineError saying why none could be imported.
    """
    if flavour not in ('auto', *FLAVOURS):
        raise EngineError(f"TensorRT flavour '{flavour}' is unknown; known: auto, "
                          f'{", ".join(FLAVOURS)}')
    reasons = []
    for name in FLAVOURS if flavour == 'auto' else (flavour,):
        spec = find_spec(name)
        # A folder that happens to be called tensorrt imports as an empty package.
        if spec is None or spec.origin is None:
            reasons.append(f'the Python package {name} is not installed')
            continue
        try:
            return import_module(name), name
        except Exception as error:  # placeholders and half installations fail in their own ways
            reasons.append(f'{name} cannot be imported ({_first_line(error)})')
    raise EngineError(f'no TensorRT: {", ".join(reasons)}; {INSTALL}')


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
    flags = module.BuilderFlag
    return Api(
        module=module, flavour=flavour, version=version,
        strongly_typed_flag=hasattr(module.NetworkDefinitionCreationFlag, 'STRONGLY_TYPED'),
        fp16_flag=(flavour == 'tensorrt' and version < STRONGLY_TYPED_SINCE
                   and hasattr(flags, 'FP16')),
        tf32_flag=hasattr(flags, 'TF32'),
        capabilities=hasattr(module, 'ComputeCapability'),
        # RTX has the names but ignores them.
        hardware_compatibility=(flavour == 'tensorrt'
                                and hasattr(module, 'HardwareCompatibilityLevel')),
        timing_cache=flavour == 'tensorrt' and hasattr(module, 'ITimingCache'),
        progress=hasattr(module, 'IProgressMonitor'),
        stream_capturable=hasattr(module.IExecutionContext, 'is_stream_capturable'))


def load(flavour: str = 'auto') -> Api:
    """Import a TensorRT and describe it; raises EngineError."""
    return describe(*find_module(flavour))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
