"""From the shipped ONNX bytes to a serialised engine, with progress, a way to stop, one error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import Protocol

from uaafusion_ros.engine.backend import Progress
from uaafusion_ros.engine.tensorrt.api import Api
from uaafusion_ros.engine.tensorrt.lifetimes import forget_frames
from uaafusion_ros.engine.tensorrt.lifetimes import REGISTRY
from uaafusion_ros.engine.tensorrt.listeners import error_log
from uaafusion_ros.engine.tensorrt.listeners import progress_monitor
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EngineError

PRECISIONS = ('fp16', 'fp32')
COMPATIBILITIES = ('none', 'ampere_plus', 'same_compute_capability')


class BuildCancelled(EngineError):
    """A build was stopped because its progress callback said so."""


class TimingStore(Protocol):
    """Where measured kernels are kept between builds; see cache.TimingFile."""

    def read(self) -> bytes:
        """Return what was kept, or nothing."""

    def write(self, data: bytes) -> None:
        """Keep what was measured."""


@dataclass(frozen=True)
class Sizes:
    """
    Image sizes (height, width) in pixels that an engine takes: the least, the usual, the largest.

    Equal ones make an engine of one size, which is the fastest.
    """

    least: tuple[int, int]
    usual: tuple[int, int]
    largest: tuple[int, int]

    @classmethod
    def fixed(cls, height: int, width: int) -> Sizes:
        """Return the range that holds one size."""
        return cls(*[(height, width)] * 3)

    def __post_init__(self) -> None:
        for low, high in ((self.least, self.usual), (self.usual, self.largest)):
            if not (0 < low[0] <= high[0] and 0 < low[1] <= high[1]):
                raise EngineError(f'engine sizes {self} are not ordered; expected least <= usual '
                                  '<= largest, in height and in width, all above 0')

    @property
    def is_fixed(self) -> bool:
        """Whether there is only one size."""
        return self.least == self.largest

    def __str__(self) -> str:
        """Return such as 640x480, or 320x256:640x480:1280x1024, widths first."""
        sizes = (self.usual,) if self.is_fixed else (self.least, self.usual, self.largest)
        return ':'.join(f'{width}x{height}' for height, width in sizes)


@dataclass(frozen=True)
class BuildOptions:
    """
    What kind of engine to build.

    keep_fp32: regular expressions of layers that stay in float32 in an fp16 engine (see
    precision.to_fp16). workspace_mib: upper limit of scratch memory, 0 = all of the GPU.
    optimization_level: 0 (built fast) to 5 (runs fast). capability: such as 'SM86', for
    TensorRT-RTX, which needs no GPU to build for one; '' = the GPU that is there.
    compatibility: one of COMPATIBILITIES, the GPUs that the engine is to run on besides the one
    that it is built on; slower, TensorRT only and not on a Jetson.
    """

    sizes: Sizes
    precision: str = 'fp16'
    keep_fp32: tuple[str, ...] = ()
    workspace_mib: int = 0
    optimization_level: int = 3
    capability: str = ''
    compatibility: str = 'none'

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise EngineError(f"precision '{self.precision}' is unknown; known: "
                              f'{", ".join(PRECISIONS)}')
        if self.compatibility not in COMPATIBILITIES:
            raise EngineError(f"hardware compatibility '{self.compatibility}' is unknown; known: "
                              f'{", ".join(COMPATIBILITIES)}')
        if self.keep_fp32 and self.precision != 'fp16':
            raise EngineError('keep_fp32 names layers of an fp16 engine; this one is fp32 as a '
                              'whole')


def build(api: Api, onnx: bytes, options: BuildOptions, progress: Progress | None = None,
          timing: TimingStore | None = None) -> bytes:
    """
    Build an engine from a float32 ONNX file of this package and return its bytes.

    Takes seconds (RTX) to many minutes (a Jetson); the GIL is released meanwhile. Raises
    BuildCancelled when `progress` returned False, DependencyError when float16 needs the Python
    package onnx, and EngineError with one line that says what failed and what to do; every object
    of TensorRT is gone by then, see lifetimes.
    """
    weak = options.precision == 'fp16' and api.fp16_flag and not options.keep_fp32
    if options.precision == 'fp16' and not weak:
        onnx = _to_fp16(onnx, options.keep_fp32)
    log = error_log(api.module)
    with REGISTRY:
        builder = api.module.Builder(log)
    try:
        if builder is None:
            raise EngineError(f'{api.name} made no builder: {log.take()}')
        return _build_with(builder, log, api, onnx, options, weak, progress, timing)
    except BaseException as error:
        forget_frames(error)
        raise
    finally:
        with REGISTRY:
            del builder


def _build_with(builder: Any, log: Any, api: Api, onnx: bytes, options: BuildOptions, weak: bool,
                progress: Progress | None, timing: TimingStore | None) -> bytes:
    trt = api.module
    network = builder.create_network(_network_flags(api, weak))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx):
        raise EngineError(_parser_line(api, parser))
    if not network.num_outputs:
        raise EngineError(f'{api.name}: the ONNX model holds no graph; install the package again '
                          'or export the model again')
    config = builder.create_builder_config()
    _configure(api, config, options, weak)
    _set_sizes(builder, network, config, options.sizes)
    monitor = progress_monitor(trt, progress) if progress is not None and api.progress else None
    if monitor is not None:
        config.progress_monitor = monitor
    if timing is not None and api.timing_cache:
        _read_timing(config, timing)
    engine = builder.build_serialized_network(network, config)
    if monitor is not None and monitor.stopped:
        if monitor.failure is not None:
            raise monitor.failure
        raise BuildCancelled(f'the build of the {options.sizes} {options.precision} engine was '
                             'stopped on request')
    if engine is None:
        reason = log.take()
        raise EngineError(f'{api.name} built no {options.precision} engine for {options.sizes}: '
                          f'{reason}; {_advice(reason, options)}')
    if timing is not None and api.timing_cache:
        timing.write(bytes(config.get_timing_cache().serialize()))
    return bytes(engine)


def _to_fp16(onnx: bytes, keep: tuple[str, ...]) -> bytes:
    try:
        from uaafusion_ros.engine.tensorrt.precision import to_fp16
    except ImportError as error:
        raise DependencyError(f'an fp16 engine needs the Python package onnx ({error}): '
                              '`pip install onnx`, or set the precision to fp32') from error
    return to_fp16(onnx, keep)


def _network_flags(api: Api, weak: bool) -> int:
    flags = api.module.NetworkDefinitionCreationFlag
    if weak or not api.strongly_typed_flag:
        return 0
    return 1 << int(flags.STRONGLY_TYPED)


def _configure(api: Api, config: Any, options: BuildOptions, weak: bool) -> None:
    trt = api.module
    config.builder_optimization_level = options.optimization_level
    if options.workspace_mib:
        config.set_memory_pool_limit(
            trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if weak:
        config.set_flag(trt.BuilderFlag.FP16)
    if api.tf32_flag:
        # TF32 keeps no more bits than float16, and float32 is chosen where those are too few.
        config.clear_flag(trt.BuilderFlag.TF32)
    if options.capability:
        if not api.capabilities:
            raise EngineError(f'{api.name} builds for the GPU that is there only; leave the '
                              'compute capability out, or use TensorRT-RTX')
        known = trt.ComputeCapability.__members__
        if options.capability not in known:
            raise EngineError(
                f'{api.name} cannot build for {options.capability}; it can for '
                f'{", ".join(name for name in known if name.startswith("SM"))}')
        config.num_compute_capabilities = 1
        config.set_compute_capability(known[options.capability], 0)
    if options.compatibility != 'none':
        if not api.hardware_compatibility:
            raise EngineError(f'{api.name} knows no hardware compatibility; set it to none')
        config.hardware_compatibility_level = getattr(
            trt.HardwareCompatibilityLevel, options.compatibility.upper())


def _set_sizes(builder: Any, network: Any, config: Any, sizes: Sizes) -> None:
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    if sizes.is_fixed:
        # Without free dimensions the shape arithmetic is gone, and CUDA graphs are safe.
        for tensor in inputs:
            tensor.shape = (*sizes.usual, *tuple(tensor.shape)[2:])
        return
    profile = builder.create_optimization_profile()
    for tensor in inputs:
        rest = tuple(tensor.shape)[2:]
        profile.set_shape(tensor.name, *((*size, *rest) for size in (
            sizes.least, sizes.usual, sizes.largest)))
    config.add_optimization_profile(profile)


def _read_timing(config: Any, timing: TimingStore) -> None:
    kept = config.create_timing_cache(timing.read()) or config.create_timing_cache(b'')
    config.set_timing_cache(kept, ignore_mismatch=False)


def _parser_line(api: Api, parser: Any) -> str:
    if not parser.num_errors:
        return f'{api.name} cannot read the ONNX model and does not say why'
    error = parser.get_error(0)
    reason = ' '.join(error.desc().split())
    if error.node() < 0:
        return (f'{api.name} cannot read the ONNX model ({reason}); the file is damaged or no '
                'ONNX file: install the package again or export the model again')
    if 'Plugin not found' in reason:
        reason = 'this TensorRT does not know the operation'
    # What follows the first message is TensorRT's own clean-up failing without a GPU.
    reason = reason.split(' [checkMacros.cpp')[0].removeprefix('Invalid Node - ')
    return (f'{api.name} cannot take node {error.node_name() or error.node()} '
            f'({error.node_operator()}): {reason[:300]}; export the model again with operations '
            'that it knows, or set engine.backend to onnxruntime or openvino')


def _advice(line: str, options: BuildOptions) -> str:
    if 'cudaError 35' in line or 'no CUDA-capable device' in line:
        return ('there is no GPU with a driver here: build on the robot, or with TensorRT-RTX '
                'name a compute capability such as SM86')
    if 'memory' in line.lower():
        return 'free GPU memory, or set a workspace limit below what is free'
    if not options.sizes.is_fixed:
        return 'give a narrower range of sizes, or build one engine for each size'
    if 'reshape' in line.lower():
        return "give a size that is a multiple of the model's"
    return 'set engine.backend to onnxruntime or openvino to go on without TensorRT'
