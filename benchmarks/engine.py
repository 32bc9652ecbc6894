"""
The engines alone: bytes of a pair in, bytes of fused image, mask and confidence out.

Every backend that a node may use here runs the shipped model, TensorRT on a GPU among them. Beside
them the same runtimes run the shape of
SeAFusion's network with random weights, on floats that are ready to compute with, so that
conversions count for ours alone. All take turns.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
import sys
from typing import Any

from common import Plan
from common import table as markdown
import numpy as np

from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.loading import AUTOMATIC
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.errors import EngineError
from uaafusion_ros.harness.measures import median_of
from uaafusion_ros.harness.measures import ratio
from uaafusion_ros.harness.measures import rounds
from uaafusion_ros.harness.pictures import frames
from uaafusion_ros.harness.pictures import load_stills

PRESET, PEER = 'fast', 'seafusion shape'
Turn = Callable[[], Any]


def pair(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the first shipped still as rgb uint8 HxWx3 and thermal uint8 HxW."""
    thermal, rgb = next(frames(load_stills()[0], 1, size))
    return rgb, thermal


def openvino_graph(data: bytes, inputs: Mapping[str, np.ndarray], outputs: tuple[str, ...],
                   threads: int) -> Turn:
    """Return one inference on OpenVINO, set as in the shipped backend."""
    import openvino
    core = openvino.Core()
    model = core.read_model(data)
    model.reshape({name: list(array.shape) for name, array in inputs.items()})
    request = core.compile_model(model, 'CPU', {
        'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32',
        'INFERENCE_NUM_THREADS': threads}).create_infer_request()

    def run() -> list[np.ndarray]:
        request.infer(inputs, share_inputs=True)
        return [request.get_tensor(name).data.copy() for name in outputs]

    return run


def onnxruntime_graph(data: bytes, inputs: Mapping[str, np.ndarray], outputs: tuple[str, ...],
                      threads: int) -> Turn:
    """Return one inference on ONNX Runtime, set as in the shipped backend."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    return lambda: session.run(list(outputs), inputs)


def ours(size: tuple[int, int], threads: int) -> dict[str, Turn]:
    """Return one inference of the shipped model on every backend that runs here, by name."""
    rgb, thermal = pair(size)
    turns: dict[str, Turn] = {}
    for runtime in AUTOMATIC:
        try:
            backend = load_backend(preset=PRESET, backend=runtime.name, threads=threads)
            backend.prepare(*thermal.shape)
        except EngineError as error:
            print(f'{runtime.name} is not timed: {error}', file=sys.stderr)
            continue
        precision = 'f16' if runtime.runs_on == 'gpu' else 'f32'
        turns[f'{PRESET}, {runtime.name} {precision}'] = partial(_infer, backend, rgb, thermal)
    return turns


def _infer(backend: Backend, rgb: np.ndarray, thermal: np.ndarray) -> None:
    backend.infer(rgb, thermal)
    if backend.problem:  # another one has stood in
        raise EngineError(backend.problem)


def peers(size: tuple[int, int], threads: int) -> dict[str, Turn]:
    """Return one inference of SeAFusion's shape on the same runtimes; none without PyTorch."""
    if find_spec('torch') is None:
        return {}
    import seafusion_shape
    rgb, thermal = pair(size)
    floats = {name: np.ascontiguousarray(image, np.float32)[None, None] / 255
              for name, image in (('thermal', thermal), ('luma', rgb[..., 0]))}
    data, outputs = seafusion_shape.onnx_bytes(*thermal.shape), seafusion_shape.OUTPUTS
    turns: dict[str, Turn] = {}
    if find_spec('openvino') is not None:
        turns[f'{PEER}, openvino f32'] = openvino_graph(data, floats, outputs, threads)
    turns[f'{PEER}, onnxruntime f32'] = onnxruntime_graph(data, floats, outputs, threads)
    return turns


def measure(plan: Plan) -> dict[str, Any]:
    """Return medians of all engines, and our rate over that of SeAFusion's shape by runtime."""
    turns = {**ours(plan.size, plan.threads), **peers(plan.size, plan.threads)}
    runs = [rounds(turns, plan.rounds) for _ in range(plan.runs)]
    faster = {
        name: ratio([(run[peer]['p50_ms'], run[name]['p50_ms']) for run in runs])
        for name in turns if (peer := name.replace(PRESET, PEER, 1)) in turns and peer != name}
    return {'size': list(plan.size), 'engines': median_of(runs), 'rate_over_peer': faster,
            'runs': runs}


def table(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    versus = {name: '{median:.1f} ({low:.1f} to {high:.1f})'.format(**found)
              for name, found in result['rate_over_peer'].items()}
    return markdown(
        ['engine', 'p50 ms', 'p95 ms', 'processor ms', 'pairs/s', "rate over SeAFusion's shape"],
        [[name, row['p50_ms'], row['p95_ms'], row['cpu_ms'], 1e3 / row['p50_ms'],
          versus.get(name, '')]
         for name, row in result['engines'].items()])
