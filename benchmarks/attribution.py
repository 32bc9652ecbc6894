"""
How much faster exact class attributions are than the loop of the published code.

    python benchmarks/attribution.py [--size 128] [--batch 8] [--runs 3] [--threads 1]

The batch is synthetic, in the proportions of 256x256 patches of MSRS: 2.6 classes in a patch and
6.3 in a batch of eight on average, here 2.5 and 6. The network is the published segmentation
network with random weights and the batch's own statistics. Times are of the processor, taken
in turns, medians, as are the ratios within a turn; all ways get the same threads. Values are
compared in double precision, where they must agree to 1e-5 of the largest; in single precision
the order of summation shows, which is reported.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from statistics import median
import sys
import time

import torch
from torch import nn
from torch import Tensor

from uaafusion_ros.network import attribution
from uaafusion_ros.network import attribution_paper
from uaafusion_ros.network.segmentation_paper import PaperSegmenter

CLASSES, STEPS = 15, 5
# Objects over class 0, patch by patch.
OBJECTS = ((1, 4), (1,), (2,), (1, 2, 4), (), (1, 4), (3,), (1, 5))


def naive(network: nn.Module, image: Tensor, classes: Tensor) -> Tensor:
    """Return a_c as published: step by step, every class through the whole batch and network."""
    result = image.new_zeros(CLASSES)
    for step in range(1, STEPS + 1):
        point = (image * step / STEPS).requires_grad_()
        scores = network.scores(point, point)
        for c in classes.unique().tolist():
            region = classes == c
            slope, = torch.autograd.grad(scores[:, c][region].mean(), point, retain_graph=True)
            result[c] += (image * slope)[:, 0][region].mean() / STEPS
    return result


def batch(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Return images (B, 1, H, W) of flat objects with noise, and their classes (B, H, W)."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.zeros(count, size, size, dtype=torch.long)
    for index in range(count):
        for c in OBJECTS[index % len(OBJECTS)]:
            height, width = (torch.rand(2, generator=generator) * 0.3 + 0.15) * size
            top, left = torch.rand(2, generator=generator) * 0.55 * size
            classes[index, int(top):int(top + height), int(left):int(left + width)] = c
    noise = torch.rand(count, 1, size, size, generator=generator)
    return (classes.unsqueeze(1) / 6 + noise) / 2, classes


def settled(image: Tensor) -> PaperSegmenter:
    """Return a random network whose batch norms hold the statistics of `image`."""
    torch.manual_seed(0)
    network = PaperSegmenter(CLASSES).requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    network.train()(image, image)
    return network.eval()


def seconds(ways: Mapping[str, Callable[[], Tensor]], runs: int) -> dict[str, list[float]]:
    """Return the processor time of every run of each way, taken in turns after one to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(runs + 1):
        for name, run in ways.items():
            begin = time.process_time()
            run()
            if turn:
                taken[name].append(time.process_time() - begin)
    return taken


def main() -> int:
    """Print times, ratios and deviations; fail where the values differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=128)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    image, classes = batch(args.batch, args.size)
    network = settled(image)
    ways = {
        'published loop': lambda: naive(network, image, classes),
        'any network (attribution.py)': lambda: attribution.class_attributions(
            lambda x: network.scores(x, x), image, classes, CLASSES, STEPS),
        'this network (attribution_paper.py)': lambda: attribution_paper.class_attributions(
            network, image, classes, STEPS),
    }
    present = [len(ids.unique()) for ids in classes]
    print(f'{args.batch} x {args.size} x {args.size}, {len(classes.unique())} classes in the '
          f'batch, {sum(present) / len(present):.1f} in an image, {STEPS} steps')
    taken = seconds(ways, args.runs)
    published = taken['published loop']
    for name, times in taken.items():
        ratio = median(first / own for first, own in zip(published, times))
        print(f'{name:36} {median(times):8.2f} s  {ratio:5.2f} x')
    values = [run() for run in ways.values()]
    network, image = network.double(), image.double()
    exact = [run() for run in ways.values()]
    worst = 0.0
    for name, value, double in zip(ways, values, exact):
        scale = exact[0].abs().max()
        off = float((double - exact[0]).abs().max() / scale)
        worst = max(worst, off)
        print(f'{name:36} deviation {off:.1e} in doubles, '
              f'{float((value - exact[0]).abs().max() / scale):.1e} in floats')
    return 0 if worst <= 1e-5 else 1


if __name__ == '__main__':
    sys.exit(main())
