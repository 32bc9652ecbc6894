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
import time
from typing import Any

from common import machine
from common import versions
import seafusion_shape
from tabulate import tabulate
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.engine.torch_backend import make_network
from uaafusion_ros.network.model import Deployed
from uaafusion_ros.network.presets import preset

NAMES = ('fast', 'paper', 'release')
PEER = "SeAFusion's shape"
RUNS = 7  # of what takes milliseconds


def parameters(module: nn.Module | None) -> str | None:
    """Return the number of trained numbers."""
    return module and f'{sum(p.numel() for p in module.parameters()):,}'


def gmac(run: Callable[[], Any]) -> float:
    """Return the multiply-adds of convolutions and matrix products in `run`, in 1e9."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2e9


def milliseconds(run: Callable[[], Any], runs: int) -> float:
    """Return the least processor time of `runs`; where there are several, one more goes first."""
    taken = []
    for _ in range(runs + (runs > 1)):
        begin = time.process_time()
        run()
        taken.append(time.process_time() - begin)
    return min(taken) * 1e3


def column(name: str, height: int, width: int, threads: int) -> dict[str, str | None]:
    """Return one preset's figures by row."""
    torch.manual_seed(0)
    network = make_network(preset(name)).eval().requires_grad_(False)
    thermal, luma, chroma = (torch.rand(1, n, height, width) for n in (1, 1, 2))
    rgb, heat = (torch.randint(256, shape, dtype=torch.uint8)
                 for shape in ((height, width, 3), (height, width)))
    head = getattr(network, 'mask_head', None)
    weights = network.fusion.cells(torch.full_like(luma, 0.5))
    attention = None if head else lambda *_: torch.zeros_like(weights)

    def fusion() -> Any:
        return network.fusion(thermal, luma, weights, attention)

    rows = {'parameters: fusion': parameters(network.fusion),
            'parameters: segmentation network': parameters(network.segmenter),
            'parameters: head of the mask': parameters(head),
            'parameters in all': parameters(network),
            'GMAC: fusion alone': figure(gmac(fusion)),
            'GMAC: one pass of the segmentation network': figure(
                gmac(lambda: network.segmenter(luma, chroma))),
            'ms: fusion alone, PyTorch': figure(milliseconds(fusion, RUNS if head else 1))}
    if head:
        whole = Deployed(network)
        backend = load_backend(preset=name, backend='openvino', threads=threads)
        rows |= {
            'GMAC: deployed, fused image and mask': figure(gmac(lambda: whole(rgb, heat))),
            'ms: deployed, PyTorch': figure(milliseconds(lambda: whole(rgb, heat), RUNS)),
            'ms: deployed, OpenVINO': figure(milliseconds(
                lambda: backend.infer(rgb.numpy(), heat.numpy()), RUNS))}
    return rows


def seafusion(height: int, width: int) -> dict[str, str | None]:
    """Return the same figures of SeAFusion's published shape, which makes no mask."""
    network, images = seafusion_shape.make(), torch.rand(2, 1, 1, height, width)
    return {'parameters: fusion': parameters(network), 'parameters in all': parameters(network),
            'GMAC: fusion alone': figure(gmac(lambda: network(*images))),
            'ms: fusion alone, PyTorch': figure(milliseconds(lambda: network(*images), 2))}


def figure(value: float) -> str:
    """Return three digits at least."""
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', default='640x480')
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    width, height = map(int, args.size.split('x'))
    torch.set_num_threads(args.threads)
    with torch.no_grad():
        columns = {f'`{name}`': column(name, height, width, args.threads) for name in NAMES}
        columns[PEER] = seafusion(height, width)
    here, found = machine(), versions()
    print(PAGE.format(
        size=args.size, threads=args.threads, **here, **found, table=tabulate(
            [[row, *(each.get(row) for each in columns.values())] for row in columns['`fast`']],
            ['', *columns], 'pipe', disable_numparse=True, missingval='-',
            colalign=('left', *('right',) * len(columns)))))


PAGE = """# What the presets cost

Written by `PYTHONPATH=. python benchmarks/presets.py > docs/presets.md`. Images are {size}.

- **GMAC** are 10^9 multiply-adds of convolutions and matrix products, counted by PyTorch over the
  graph as it runs. `fast` is deployed as one graph that looks at both sources, fuses and segments.
- **Exact attribution**, which `paper` and `release` need, takes autograd and is for study: for C
  classes, 16 forward and 10 C + 4 backward passes of the segmentation network a pair (a backward
  pass costs about as much as a forward pass).
- **ms** are milliseconds of processor time (equal to time by the clock on an idle core), the least
  of seven runs for `fast`, of two for SeAFusion's shape, and of one for `paper` and `release`.
- **SeAFusion's shape** is the published architecture with random weights (L. Tang et al.,
  Information Fusion 82, 2022: 0.167 M parameters, 51 GMAC); it makes no mask.

{table}

Measured on {processor}, {threads} of {cores} cores, load {load_before:.0f} before,
PyTorch {torch}, OpenVINO {openvino}, Python {python}."""


if __name__ == '__main__':
    main()
