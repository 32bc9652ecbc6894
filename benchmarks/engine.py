"""
The engines alone: bytes of a pair in, bytes of fused image, mask and confidence out.

Every installed runtime runs the shipped model, OpenVINO in bfloat16, too, where the processor
computes in it. Beside them the same runtimes run the shape of SeAFusion's network with random
weights, on floats that are ready to compute with, so that conversions count for ours alone. All
take turns.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from common import Plan
from common import table as markdown
import numpy as np

from uaafusion_ros.engine import models
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.engine.loading import PROCESSOR
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
                   precision: str, threads: int) -> Turn:
    """Return one inference on OpenVINO, set as in the shipped backend but for the precision."""
    import openvino
    core = openvino.Core()
    model = core.read_model(data)
    model.reshape({name: list(array.shape) for name, array in inputs.items()})
    request = core.compile_model(model, 'CPU', {
        'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': precision,
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


def computes_bf16() -> bool:
    """Tell whether OpenVINO is there and this processor computes in bfloat16."""
    if find_spec('openvino') is None:
        return False
    import openvino
    return 'BF16' in openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


def ours(size: tuple[int, int], threads: int) -> dict[str, Turn]:
    """Return one inference of the shipped model on every installed runtime, by name."""
    rgb, thermal = pair(size)
    turns: dict[str, Turn] = {}
    for runtime in PROCESSOR:
        if find_spec(runtime.package) is not None:
            backend = load_backend(preset=PRESET, backend=runtime.name, threads=threads)
            turns[f'{PRESET}, {runtime.name} f32'] = (
                lambda backend=backend: backend.infer(rgb, thermal))
    if computes_bf16():
        data, _ = models.load(*models.shipped(PRESET))
        turns[f'{PRESET}, openvino bf16'] = openvino_graph(
            data, {'rgb': rgb, 'thermal': thermal}, tuple(models.OUTPUTS), 'bf16', threads)
    if find_spec('torch') is not None:
        turns[f'{PRESET}, torch eager f32'] = _eager(rgb, thermal, threads)
    return turns


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
        turns[f'{PEER}, openvino f32'] = openvino_graph(data, floats, outputs, 'f32', threads)
    turns[f'{PEER}, onnxruntime f32'] = onnxruntime_graph(data, floats, outputs, threads)
    if computes_bf16():
        turns[f'{PEER}, openvino bf16'] = openvino_graph(data, floats, outputs, 'bf16', threads)
    return turns


def _eager(rgb: np.ndarray, thermal: np.ndarray, threads: int) -> Turn:
    """Return one inference in PyTorch with fresh weights, which cost what trained ones cost."""
    import torch

    from uaafusion_ros.engine.torch_backend import deployed
    from uaafusion_ros.engine.torch_backend import make_network
    from uaafusion_ros.engine.torch_backend import TorchSession
    from uaafusion_ros.network import presets
    torch.set_num_threads(threads)
    device = torch.device('cpu')
    module = deployed(make_network(presets.preset(PRESET)), device, 'fp32')
    session = TorchSession(module, *thermal.shape, device, 'fp32')
    return lambda: session.run(rgb, thermal)


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
    def versus(name: str) -> str:
        found = result['rate_over_peer'].get(name)
        return '{median:.1f} ({low:.1f} to {high:.1f})'.format(**found) if found else ''

    return markdown(
        ['engine', 'p50 ms', 'p95 ms', 'processor ms', 'pairs/s', "rate over SeAFusion's shape"],
        [[name, row['p50_ms'], row['p95_ms'], row['cpu_ms'], 1e3 / row['p50_ms'], versus(name)]
         for name, row in result['engines'].items()])
