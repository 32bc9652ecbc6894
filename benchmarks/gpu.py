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
from functools import partial
from importlib import import_module
from importlib.util import find_spec
import json
from pathlib import Path
import platform
import sys
import time
from typing import Any

import numpy as np
import torch

from uaafusion_ros.engine.torch_backend import deployed
from uaafusion_ros.engine.torch_backend import make_network
from uaafusion_ros.engine.torch_backend import TorchSession
from uaafusion_ros.harness.measures import spread
from uaafusion_ros.harness.roofline import Cost
from uaafusion_ros.harness.roofline import count
from uaafusion_ros.network.presets import preset

# Preset and the precisions it runs in.
TORCH = (('fast', 'bf16'), ('fast', 'fp32'), ('paper', 'fp32'))
WARM_UP = 20


def measure(run: Callable[[], Any], limit_s: float) -> dict[str, float]:
    """Time single calls for `limit_s` seconds, at least three; milliseconds."""
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
        taken.append((time.perf_counter() - before) * 1e3)
    return {**{f'{name}_ms': value for name, value in spread(taken).items()}, 'pairs': len(taken)}


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
    real = device.type == 'cuda'

    def best(run: Callable[[], Any]) -> float:
        taken = []
        for _ in range(10):
            before = time.perf_counter()
            run()
            if real:
                torch.cuda.synchronize(device)
            taken.append(time.perf_counter() - before)
        return min(taken)

    rates, size = {}, 8192 if real else 256
    for name, dtype, tf32 in (('bf16', torch.bfloat16, False), ('fp16', torch.float16, False),
                              ('fp32', torch.float32, True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32  # as cuDNN's convolutions may
        a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        best(lambda: None)  # what is under way ends
        rates[name] = 2 * size ** 3 / best(lambda: a @ b)
    source = torch.zeros(1 << 30 if real else 1 << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    rates['bytes'] = 2 * source.numel() / best(lambda: target.copy_(source))
    return rates


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
    cuda = cudas.Cuda(cudas.load())
    model = Path(__file__).resolve().parents[1] / 'models' / 'uaafusion_fast.onnx'
    size = images[1].shape
    before = time.perf_counter()
    plan = builder.build(api, model.read_bytes(), builder.BuildOptions(
        size, builder.Precision(precision))).engine
    built = time.perf_counter() - before
    session = runtime.Session(api, cuda, plan, *size)
    try:
        return {**measure(lambda: session.run(*images), limit_s), 'no_graph': session.no_graph,
                'build_s': built, 'engine_mbytes': len(plan) / 1e6, 'version': api.name}
    finally:
        session.close()


def machine(device: torch.device) -> dict[str, Any]:
    """Return what a figure depends on."""
    facts: dict[str, Any] = {
        'torch': torch.__version__, 'cuda': torch.version.cuda, 'gpu': f'no GPU ({device})',
        'cudnn': torch.backends.cudnn.version(), 'python': platform.python_version(),
        'host': platform.machine()}
    if device.type == 'cuda':
        found = torch.cuda.get_device_properties(device)
        facts |= {'gpu': found.name, 'capability': f'{found.major}.{found.minor}',
                  'memory_gbytes': found.total_memory / 1e9,
                  'processors': found.multi_processor_count}
    return facts


def table(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    facts, rates = result['machine'], result['rates']
    lines = [f'{facts["gpu"]}, PyTorch {facts["torch"]}, CUDA {facts["cuda"]}, {result["size"]}; '
             f'measured peaks: bf16 {rates["bf16"] / 1e12:.0f} and fp32 '
             f'{rates["fp32"] / 1e12:.0f} TFLOP/s, {rates["bytes"] / 1e12:.2f} TB/s', '',
             '| network | p50 ms | p99 ms | GFLOP | MB | least ms | share of the roofline |',
             '|---|---:|---:|---:|---:|---:|---:|']
    columns = {'p50_ms': 2, 'p99_ms': 2, 'gflop': 1, 'mbytes': 1, 'roofline_ms': 3,
               'roofline_share': 3}
    notes = []
    for name, row in result['runs'].items():
        if 'error' in row:
            notes.append(f'{name}: {row["error"]}')
            continue
        cells = (f'{row[key]:.{digits}f}' if key in row else '' for key, digits in columns.items())
        lines.append(f'| {name} | {" | ".join(cells)} |')
        if row['no_graph']:
            notes.append(f'{name}: no CUDA graph ({row["no_graph"]})')
    return '\n'.join([*lines, '', *notes])


def main(argv: list[str] | None = None) -> int:
    """Measure, print a Markdown table and write JSON; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--size', default='640x480', metavar='WxH')
    parser.add_argument('--seconds', type=float, default=10.0, help='per network')
    parser.add_argument('--out', type=Path, help='JSON file')
    parser.add_argument('--dry-run', action='store_true',
                        help='on the processor: shows that everything runs, and nothing else')
    options = parser.parse_args(argv)
    if not options.dry_run and not torch.cuda.is_available():
        print('PyTorch sees no CUDA GPU on this machine, so there is nothing to measure; '
              'benchmarks/bench.py times the runtimes of the processor', file=sys.stderr)
        return 2
    width, height = (int(part) for part in options.size.lower().split('x'))
    device = torch.device('cpu' if options.dry_run else 'cuda')
    if options.dry_run:
        torch.set_num_threads(1)  # as it says nothing of speed, it must not disturb others
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
        try:
            runs[key] = job()
        except Exception as error:  # one runtime must not cost the others
            runs[key] = {'error': f'{type(error).__name__}: {error}'}
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


if __name__ == '__main__':
    sys.exit(main())
