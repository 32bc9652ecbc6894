"""From the shipped ONNX bytes to a serialised engine, with progress, a way to stop, one error."""

from __future__ import annotations

from dataclasses import dataclass
import platform
from typing import Any
from typing import NamedTuple

from uaafusion_ros import share
from uaafusion_ros.engine.cache import EngineKey
from uaafusion_ros.engine.contract import BuildCancelled
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.contract import Progress
from uaafusion_ros.engine.gpu import Gpu
from uaafusion_ros.engine.tensorrt.api import Api
from uaafusion_ros.engine.tensorrt.api import error_log
from uaafusion_ros.engine.tensorrt.api import forget_frames
from uaafusion_ros.engine.tensorrt.api import progress_monitor
from uaafusion_ros.engine.tensorrt.api import REGISTRY
from uaafusion_ros.errors import DependencyError
from uaafusion_ros.errors import EngineError
from uaafusion_ros.packages import pip_install


@dataclass(frozen=True)
class Precision:
    """
    What an engine computes in: `name` is 'fp16' or 'fp32'.

    keep_fp32: regular expressions of the layers of an fp16 engine that stay in float32, see
    float16.to_fp16.
    """

    name: str
    keep_fp32: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return such as 'fp16 with network.fusion in fp32'."""
        kept = f' with {", ".join(self.keep_fp32)} in fp32' if self.keep_fp32 else ''
        return f'{self.name}{kept}'


# What is tried in turn for each precision that can be asked for. What the segmenter finds decides
# which contrast prevails, and that shows in the fused picture: so it is the first to go back to
# float32.
PRECISIONS = {
    'fp16': (Precision('fp16'),
             Precision('fp16', (r'network\.segmenter',)),
             Precision('fp32')),
    'fp32': (Precision('fp32'),),
}


@dataclass(frozen=True)
class BuildOptions:
    """
    What kind of engine to build.

    size: (height, width) of its images. capability: such as 'SM86', for TensorRT-RTX, which
    needs no GPU to build for one; '' = the GPU that is there.
    """

    size: tuple[int, int]
    precision: Precision
    capability: str = ''

    @property
    def resolution(self) -> str:
        """The size in words, width first, such as '640x480'."""
        return f'{self.size[1]}x{self.size[0]}'


class Built(NamedTuple):
    """A serialised engine, and TensorRT's timings of kernels for the next build, or nothing."""

    engine: bytes
    timing: bytes


def engine_key(api: Api, spec: ModelSpec, options: BuildOptions,
               gpu: Gpu | None = None) -> EngineKey:
    """
    Return the key of an engine; gpu: the one that is there.

    TensorRT measures on that very GPU; TensorRT-RTX compiles for a compute capability, whichever
    GPU has it, so that an engine made for `options.capability` is found by the GPU later.
    """
    return EngineKey(
        model=spec.preset, onnx_sha256=spec.sha256, package=share.version(), runtime=api.name,
        device=gpu.name if gpu and api.flavour == 'tensorrt' else '',
        capability=options.capability or (gpu.architecture if gpu else ''),
        platform=f'{platform.system()} {platform.machine()}', precision=options.precision.name,
        keep_fp32=options.precision.keep_fp32, size=options.resolution)


def build(api: Api, onnx: bytes, options: BuildOptions, progress: Progress | None = None,
          timing: bytes = b'') -> Built:
    """
    Build an engine from a float32 ONNX file of this package.

    timing: that of earlier builds on this GPU. Takes seconds (RTX) to many minutes (a Jetson);
    the GIL is released meanwhile. Raises BuildCancelled when `progress` returned False,
    DependencyError when float16 needs the Python package onnx, and EngineError with one line that
    says what failed and what to do; every object of TensorRT is gone by then, see api.
    """
    precision = options.precision
    weak = precision.name == 'fp16' and api.fp16_flag and not precision.keep_fp32
    if precision.name == 'fp16' and not weak:
        onnx = _to_fp16(onnx, precision.keep_fp32)
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
                progress: Progress | None, timing: bytes) -> Built:
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
    for index in range(network.num_inputs):
        # Without free dimensions the shape arithmetic is gone, and CUDA graphs are safe.
        tensor = network.get_input(index)
        tensor.shape = (*options.size, *tuple(tensor.shape)[2:])
    monitor = progress_monitor(trt, progress) if progress is not None else None
    if monitor is not None:
        config.progress_monitor = monitor
    if api.timing_cache:
        kept = config.create_timing_cache(timing) or config.create_timing_cache(b'')
        config.set_timing_cache(kept, ignore_mismatch=False)
    engine = builder.build_serialized_network(network, config)
    if monitor is not None and monitor.stopped:
        if monitor.failure is not None:
            raise monitor.failure
        raise BuildCancelled(f'the build of the {options.resolution} {options.precision} engine '
                             'was stopped on request')
    if engine is None:
        reason = log.take()
        raise EngineError(f'{api.name} built no {options.precision} engine for '
                          f'{options.resolution}: {reason}; {_advice(reason)}')
    measured = bytes(config.get_timing_cache().serialize()) if api.timing_cache else b''
    return Built(bytes(engine), measured)


def _to_fp16(onnx: bytes, keep: tuple[str, ...]) -> bytes:
    try:
        from uaafusion_ros.engine.tensorrt.float16 import to_fp16
    except ImportError as error:
        raise DependencyError(f'an fp16 engine needs the Python package onnx ({error}): '
                              f'`{pip_install("onnx")}`, or set the precision to fp32') from error
    return to_fp16(onnx, keep)


def _network_flags(api: Api, weak: bool) -> int:
    flags = api.module.NetworkDefinitionCreationFlag
    if weak or not api.strongly_typed_flag:
        return 0
    return 1 << int(flags.STRONGLY_TYPED)


def _configure(api: Api, config: Any, options: BuildOptions, weak: bool) -> None:
    trt = api.module
    if weak:
        config.set_flag(trt.BuilderFlag.FP16)
    if hasattr(trt.BuilderFlag, 'TF32'):
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


def _advice(line: str) -> str:
    if 'cudaError 35' in line or 'no CUDA-capable device' in line:
        return ('there is no GPU with a driver here: build on the robot, or with TensorRT-RTX '
                'name a compute capability such as SM86')
    if 'memory' in line.lower():
        return 'free GPU memory, or use smaller images'
    if 'reshape' in line.lower() or 'must be conformable' in line:
        return "give a size that is a multiple of the model's"
    return 'set engine.backend to onnxruntime or openvino to go on without TensorRT'
