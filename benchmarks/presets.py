"""
What each preset costs, as the Markdown table of docs/presets.md.

    PYTHONPATH=. python benchmarks/presets.py [--size 640x480] [--threads 1] > docs/presets.md

Multiply-adds are PyTorch's own count of convolutions and matrix products over the graph as it
runs. Times are of the processor, so that other programs' share of it does not count: the least of
several runs, of one run where a run takes seconds. Weights are fresh, which cost what trained
ones cost; OpenVINO runs the shipped model. Beside the presets stands the published shape of
SeAFusion (seafusion_shape.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import sys
import time
from typing import Any

from common import machine
from common import versions
import seafusion_shape
import torch
from torch import nn
from torch import Tensor

from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.engine.torch_backend import make_network
from uaafusion_ros.harness.roofline import count
from uaafusion_ros.network.model import Deployed
from uaafusion_ros.network.presets import Preset
from uaafusion_ros.network.presets import preset

STEPS = 5
RUNS = 7  # of what takes milliseconds
NONE = '-'


def parameters(*modules: nn.Module) -> int:
    """Return the number of trained numbers."""
    return sum(p.numel() for module in modules for p in module.parameters())


def gmac(run: Callable[[], Any]) -> float:
    """Return the multiply-adds of convolutions and matrix products in `run`, in 1e9."""
    return count(run, []).flops / 2e9


def milliseconds(run: Callable[[], Any], runs: int) -> float:
    """Return the least processor time of `runs`; where there are several, one more goes first."""
    taken = []
    for _ in range(runs + (runs > 1)):
        begin = time.process_time()
        run()
        taken.append(time.process_time() - begin)
    return min(taken) * 1e3


def fusion_alone(network: nn.Module,
                 images: tuple[Tensor, Tensor, Tensor]) -> Callable[[], Any]:
    """Return the unfolding network with its weights and attention given."""
    thermal, luma, _ = images
    weights = network.fusion.cells(torch.full_like(luma, 0.5))
    attention = torch.zeros_like(weights) if network.spec.attribution == 'exact' else None
    return lambda: network.fusion(
        thermal, luma, weights, attention if attention is None else lambda *args: attention)


def passes(spec: Preset) -> str:
    """Return how often a frame passes the segmentation network as published."""
    # A look at the average image, the points of both paths, every stage but the last, the mask.
    forward = 1 + 2 * STEPS + (spec.stages - 1) + 1
    return f'{forward} forward, {2 * STEPS} C + {spec.stages - 1} backward'


def column(name: str, height: int, width: int, threads: int) -> list[str]:
    """Return one preset's figures, in the order of ROWS."""
    torch.manual_seed(0)
    spec = preset(name)
    network = make_network(spec).eval().requires_grad_(False)
    images = tuple(torch.rand(1, n, height, width) for n in (1, 1, 2))
    rgb, thermal = (torch.randint(256, shape, dtype=torch.uint8)
                    for shape in ((height, width, 3), (height, width)))
    fusion = fusion_alone(network, images)
    head = getattr(network, 'mask_head', None)
    counts = [parameters(network.fusion), parameters(network.segmenter),
              parameters(head) if head else 0, parameters(network)]
    with torch.no_grad():
        macs = [gmac(fusion), gmac(lambda: network.segmenter(*images[1:]))]
        if head:
            whole = Deployed(network)
            macs.append(gmac(lambda: whole(rgb, thermal)))
            times = [milliseconds(fusion, RUNS), milliseconds(lambda: whole(rgb, thermal), RUNS)]
            backend = load_backend(preset=name, backend='openvino', threads=threads)
            arrays = rgb.numpy(), thermal.numpy()
            times.append(milliseconds(lambda: backend.infer(*arrays), RUNS))
            backend.close()
        else:
            macs.append(None)
            times = [milliseconds(fusion, 1), None, None]
    return [*(f'{n:,}' if n else NONE for n in counts), *map(figure, macs),
            NONE if head else passes(spec), *map(figure, times)]


def seafusion(height: int, width: int) -> list[str]:
    """Return the same figures of SeAFusion's published shape, which makes no mask."""
    network = seafusion_shape.make()
    images = torch.rand(2, 1, 1, height, width)
    count, macs = parameters(network), figure(seafusion_shape.gmac(network, height, width))
    with torch.no_grad():
        taken = figure(milliseconds(lambda: network(*images), 2))
    return [f'{count:,}', NONE, NONE, f'{count:,}', macs, NONE, NONE, NONE, taken, NONE, NONE]


def figure(value: float | None) -> str:
    """Return three digits at least."""
    if value is None:
        return NONE
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


ROWS = (
    'parameters: fusion', 'parameters: segmentation network', 'parameters: head of the mask',
    'parameters in all', 'GMAC: fusion alone', 'GMAC: one pass of the segmentation network',
    'GMAC: deployed, fused image and mask',
    'passes of the segmentation network, exact attribution of C classes',
    'ms: fusion alone, PyTorch', 'ms: deployed, PyTorch', 'ms: deployed, OpenVINO')


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', default='640x480')
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    width, height = map(int, args.size.split('x'))
    torch.set_num_threads(args.threads)
    names = ('fast', 'paper', 'release')
    columns = [column(name, height, width, args.threads) for name in names]
    columns.append(seafusion(height, width))
    print(INTRODUCTION.format(size=args.size, command='PYTHONPATH=. python benchmarks/presets.py'))
    print('| | ' + ' | '.join(f'`{name}`' for name in names) + " | SeAFusion's shape |")
    print('|---|' + '---:|' * len(columns))
    for label, *cells in zip(ROWS, *columns):
        print(f'| {label} | ' + ' | '.join(cells) + ' |')
    here, found = machine(), versions()
    print(f"\nMeasured on {here['processor']}, {args.threads} of {here['cores']} cores, load "
          f"{here['load_before']:.0f} before, PyTorch {found['torch']}, OpenVINO "
          f"{found['openvino']}, Python {found['python']}.")


INTRODUCTION = """# What the presets cost

Written by `{command} > docs/presets.md`. Images are {size}.

- **GMAC** are 10^9 multiply-adds of convolutions and matrix products, counted by PyTorch over the
  graph as it runs. `fast` is deployed as one graph that looks at both sources, fuses and segments.
- **Exact attribution** needs autograd and is for study: it takes so many passes of the
  segmentation network (a backward pass costs about as much as a forward pass).
- **ms** are milliseconds of processor time (equal to time by the clock on an idle core), the least
  of seven runs for `fast`, of two for SeAFusion's shape, and of one for `paper` and `release`.
- **SeAFusion's shape** is the published architecture with random weights (L. Tang et al.,
  Information Fusion 82, 2022: 0.167 M parameters, 51 GMAC); it makes no mask.
"""


if __name__ == '__main__':
    sys.exit(main())
