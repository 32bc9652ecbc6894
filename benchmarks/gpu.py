"""
Time the networks on a GPU: a pair of images in host memory in, fused image, mask, confidence out.

    PYTHONPATH=. python benchmarks/gpu.py [--size 640x480] [--seconds 10] [--out gpu.json]

PyTorch runs every preset with fresh weights, which cost what trained ones cost. TensorRT and
TensorRT-RTX run the shipped models where they and cuda-bindings are installed. Written are p50 and
p99 of the wall time of single pairs, copies included, and their share of the roofline (S. Williams
et al., "Roofline", CACM 52(4), 2009): each convolution and matrix product takes at least its
operations over the GPU's peak rate or its bytes over the memory's rate, whichever is longer, and
all else could be fused into them. Both rates are measured here, by a large matrix product and a
large copy, so that no data sheet is needed. Exit code: 0, or 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
import json
import math
from pathlib import Path
import platform
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from uaafusion_ros.engine.torch_backend import deployed
from uaafusion_ros.engine.torch_backend import make_network
from uaafusion_ros.engine.torch_backend import TorchSession
from uaafusion_ros.network.presets import preset

# Preset and the precisions it runs in.
TORCH = (('fast', 'bf16'), ('fast', 'fp32'), ('paper', 'fp32'))
WARM_UP = 20
_HEAVY = ('convolution', 'convolution_backward', 'mm', 'addmm', 'bmm')


@dataclass(frozen=True)
class Operation:
    """One convolution or matrix product: its operations (2 per multiply-add) and its bytes."""

    flops: int
    bytes: int


@dataclass(frozen=True)
class Cost:
    """
    What one pair costs at least.

    flops: of all convolutions and products. bytes: what these read and write, each tensor once
    per operation. weights_bytes: parameters alone.
    """

    operations: tuple[Operation, ...]
    weights_bytes: int

    @property
    def flops(self) -> int:
        """Operations in all."""
        return sum(operation.flops for operation in self.operations)

    @property
    def bytes(self) -> int:
        """Bytes in all."""
        return sum(operation.bytes for operation in self.operations)

    def seconds(self, flops_per_s: float, bytes_per_s: float) -> float:
        """Return the least time: each operation is bound by its arithmetic or its bytes."""
        return sum(max(operation.flops / flops_per_s, operation.bytes / bytes_per_s)
                   for operation in self.operations)


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        if function._overloadpacket.__name__ not in _HEAVY:
            return function(*args, **(kwargs or {}))
        with FlopCounterMode(display=False) as counter:
            result = function(*args, **(kwargs or {}))
        outputs = result if isinstance(result, (tuple, list)) else (result,)
        tensors = [item for item in (*args, *outputs) if isinstance(item, Tensor)]
        self.operations.append(Operation(
            counter.get_total_flops(), sum(t.numel() * t.element_size() for t in tensors)))
        return result


def count(run: Callable[[], Any], weights: list[Tensor]) -> Cost:
    """Count what `run` computes with convolutions and matrix products, derivatives included."""
    with _Counter() as counter:
        run()
    return Cost(tuple(counter.operations), sum(w.numel() * w.element_size() for w in weights))


def summary(seconds: list[float]) -> dict[str, float]:
    """Return milliseconds of single pairs: p50, p99 (nearest rank), mean, and their number."""
    ordered = sorted(value * 1e3 for value in seconds)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return {'p50_ms': rank(0.5), 'p99_ms': rank(0.99), 'mean_ms': sum(ordered) / len(ordered),
            'pairs': len(ordered)}


def measure(run: Callable[[], Any], limit_s: float) -> dict[str, float]:
    """Time single calls for `limit_s` seconds, at least three."""
    for _ in range(WARM_UP):
        before = time.perf_counter()
        run()
        if time.perf_counter() - before > limit_s / WARM_UP:
            break  # a slow network is warm after one
    taken: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < limit_s or len(taken) < 3:
        before = time.perf_counter()
        run()
        taken.append(time.perf_counter() - before)
    return summary(taken)


def pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images with structure at all scales, as noise alone would have no regions."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    base = 128 + 60 * np.sin(columns / 37) * np.cos(rows / 23)
    rgb = base[..., None] + rng.normal(0, 20, (height, width, 3))
    thermal = 255 * np.exp(-((columns - width / 3) ** 2 + (rows - height / 2) ** 2) / 5000)
    return rgb.clip(0, 255).astype(np.uint8), thermal.astype(np.uint8)


def peak_rates(device: torch.device) -> dict[str, float]:
    """Return measured operations per second by precision, and bytes per second of a copy."""
    rates = {}
    size = 8192
    for name, dtype, tf32 in (('bf16', torch.bfloat16, False), ('fp16', torch.float16, False),
                              ('fp32', torch.float32, True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32  # as cuDNN's convolutions may
        a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        rates[name] = 2 * size ** 3 / _best(lambda: a @ b, device)
    source = torch.zeros(1 << 30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    rates['bytes'] = 2 * source.numel() / _best(lambda: target.copy_(source), device)
    return rates


def _best(run: Callable[[], Any], device: torch.device) -> float:
    best = math.inf
    for _ in range(10):
        torch.cuda.synchronize(device)
        before = time.perf_counter()
        run()
        torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - before)
    return best


def time_torch(name: str, precision: str, images: tuple[np.ndarray, np.ndarray],
               device: torch.device, limit_s: float) -> dict[str, Any]:
    """Time a preset on PyTorch and count what it computes."""
    torch.manual_seed(0)
    network = make_network(preset(name))
    module = deployed(network, device, precision)
    session = TorchSession(module, *images[1].shape, device, precision)
    inputs = [torch.from_numpy(image).to(device) for image in images]

    def once() -> None:
        with torch.no_grad(), torch.autocast(
                device.type, torch.bfloat16, enabled=precision == 'bf16', cache_enabled=False):
            module(*inputs)

    cost = count(once, list(network.parameters()))
    return {**measure(lambda: session.run(*images), limit_s), 'no_graph': session.no_graph,
            'gflop': cost.flops / 1e9, 'mbytes': cost.bytes / 1e6,
            'weights_mbytes': cost.weights_bytes / 1e6, 'cost': cost}


def time_tensorrt(flavour: str, images: tuple[np.ndarray, np.ndarray], precision: str,
                  limit_s: float) -> dict[str, Any]:
    """Time the shipped `fast` model on a TensorRT, engine built in memory and not checked."""
    builder = import_module('uaafusion_ros.engine.tensorrt.builder')
    cudas = import_module('uaafusion_ros.engine.tensorrt.cuda')
    runtime = import_module('uaafusion_ros.engine.tensorrt.runtime')
    api = import_module('uaafusion_ros.engine.tensorrt.api').load(flavour)
    model = Path(__file__).resolve().parents[1] / 'models' / 'uaafusion_fast.onnx'
    size = images[1].shape
    before = time.perf_counter()
    plan = builder.build(api, model.read_bytes(), builder.BuildOptions(
        size, builder.Precision(precision))).engine
    built = time.perf_counter() - before
    session = runtime.Session(api, cudas.Cuda(cudas.load()), plan, *size)
    try:
        return {**measure(lambda: session.run(*images), limit_s), 'no_graph': session.no_graph,
                'build_s': built, 'engine_mbytes': len(plan) / 1e6, 'version': api.name}
    finally:
        session.close()


def tried(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `run` returns, or why it did not, so that one runtime cannot cost the others."""
    try:
        return run()
    except Exception as error:
        return {'error': f'{type(error).__name__}: {error}'}


def machine(device: torch.device) -> dict[str, Any]:
    """Return what a figure depends on."""
    facts = torch.cuda.get_device_properties(device)
    return {'gpu': facts.name, 'capability': f'{facts.major}.{facts.minor}',
            'memory_gbytes': facts.total_memory / 1e9, 'processors': facts.multi_processor_count,
            'torch': torch.__version__, 'cuda': torch.version.cuda,
            'cudnn': torch.backends.cudnn.version(), 'python': platform.python_version(),
            'host': platform.machine()}


def main(argv: list[str] | None = None) -> int:
    """Measure, print a Markdown table and write JSON; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--size', default='640x480', metavar='WxH')
    parser.add_argument('--seconds', type=float, default=10.0, help='per network')
    parser.add_argument('--out', type=Path, help='JSON file')
    options = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print('PyTorch sees no CUDA GPU on this machine, so there is nothing to measure; '
              'benchmarks/engine.py times the runtimes of the processor', file=sys.stderr)
        return 2
    width, height = (int(part) for part in options.size.lower().split('x'))
    device = torch.device('cuda')
    images = pair(height, width)
    rates = peak_rates(device)
    jobs = {f'torch {name} {precision}':
            partial(time_torch, name, precision, images, device, options.seconds)
            for name, precision in TORCH}
    jobs |= {f'{flavour} fast {precision}':
             partial(time_tensorrt, flavour, images, precision, options.seconds)
             for flavour in ('tensorrt', 'tensorrt_rtx') for precision in ('fp16', 'fp32')
             if find_spec(flavour) is not None and find_spec('cuda') is not None}
    costs: dict[str, Cost] = {}
    runs: dict[str, dict[str, Any]] = {}
    result = {'machine': machine(device), 'size': options.size, 'rates': rates, 'runs': runs}
    for key, job in jobs.items():
        runs[key] = tried(job)
        if 'cost' in runs[key]:
            costs[key] = runs[key].pop('cost')
        # An engine in fp16 computes what PyTorch computes in bf16, byte for byte.
        name, precision = key.split(' ', 1)[1].rsplit(' ', 1)
        cost = costs.get(f'torch {name} {"bf16" if precision == "fp16" else precision}')
        if 'p50_ms' in runs[key] and cost is not None:
            bound = cost.seconds(rates[precision], rates['bytes']) * 1e3
            runs[key] |= {'roofline_ms': bound, 'roofline_share': bound / runs[key]['p50_ms']}
        if options.out:  # after each, as a runtime on a GPU that it does not know may crash
            options.out.write_text(json.dumps(result, indent=1) + '\n')
    print(table(result))
    return 0


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    facts, rates = result['machine'], result['rates']
    lines = [f'{facts["gpu"]}, PyTorch {facts["torch"]}, CUDA {facts["cuda"]}, {result["size"]}; '
             f'measured peaks: bf16 {rates["bf16"] / 1e12:.0f} and fp32 '
             f'{rates["fp32"] / 1e12:.0f} TFLOP/s, {rates["bytes"] / 1e12:.2f} TB/s', '',
             '| network | p50 ms | p99 ms | GFLOP | MB | least ms | share of the roofline |',
             '|---|---:|---:|---:|---:|---:|---:|']
    notes = []
    for name, row in result['runs'].items():
        if 'error' in row:
            notes.append(f'{name}: {row["error"]}')
            continue
        cells = [f'{row["p50_ms"]:.2f}', f'{row["p99_ms"]:.2f}',
                 *(f'{row[key]:.1f}' if key in row else '' for key in ('gflop', 'mbytes')),
                 *(f'{row[key]:.3f}' if key in row else ''
                   for key in ('roofline_ms', 'roofline_share'))]
        lines.append(f'| {name} | {" | ".join(cells)} |')
        if row['no_graph']:
            notes.append(f'{name}: no CUDA graph ({row["no_graph"]})')
    return '\n'.join([*lines, '', *notes])


if __name__ == '__main__':
    sys.exit(main())
