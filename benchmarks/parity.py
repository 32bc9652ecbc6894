"""
Compare attribution in closed form, as deployed, with integrated gradients by autograd.

    python benchmarks/parity.py --checkpoint FILE --data DIR [--every N]

For pairs of an MSRS folder and places spread over each, the information of the class scores there
(network/guidance.py) stands beside the integrated gradients of the same scores over the whole
image, from black to each source. The deployed baseline is the mean over a black image, the other
one black at the same place, so that they differ by that, too. Printed are the mean and the
largest absolute difference, in nats and of the weights w1 that follow, beside the mean
information. FILE is the best checkpoint of the joint phase, or the weights that ship.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import torch
from torch import Tensor

# The training package, whose data set reader this shares, is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from train.batches import Batch  # noqa: E402
from train.batches import whole  # noqa: E402
from train.config import Source  # noqa: E402
from train.data import read  # noqa: E402
from train.deploy import finished  # noqa: E402
from uaafusion_ros.network.exact import information_by_gradients  # noqa: E402
from uaafusion_ros.network.guidance import thermal_share  # noqa: E402
from uaafusion_ros.network.model import UAAFusion  # noqa: E402

CELLS = 8  # places in each pair


def compare(network: UAAFusion, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the information (CELLS, 2) of thermal and luma, in closed form and by autograd."""
    with torch.no_grad():
        guide = network.guide(network.look(batch.thermal, batch.luma, batch.chroma))
    height, width = guide.thermal.shape[2:]
    drawn = torch.randint(height * width, (CELLS,), generator=torch.Generator().manual_seed(0))
    at = [divmod(int(index), width) for index in drawn]  # the same for every pair
    exact = information_by_gradients(network.segmenter, network.spec.look_scale, batch.thermal,
                                     batch.luma, batch.chroma, at)
    rows, columns = map(list, zip(*at))
    closed = [each[0, 0, rows, columns] for each in (guide.thermal, guide.luma)]
    return torch.stack(closed, dim=1), torch.stack(exact, dim=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--checkpoint', type=Path, required=True)
    parser.add_argument('--data', required=True, help='folder in the layout of MSRS')
    parser.add_argument('--every', type=int, default=8, help='take every n-th pair')
    options = parser.parse_args()
    network, meta = finished(options.checkpoint)
    samples = read(Source('msrs', options.data))[::options.every]
    found = [compare(network, whole(sample)) for sample in samples]
    closed, exact = map(torch.cat, zip(*found))
    shares = [thermal_share(*each.clamp_min(0).T, network.spec.attribution_floor)
              for each in (closed, exact)]
    print(f'{len(samples)} pairs, {len(closed)} places, step {meta.get("step")}; '
          f'mean information {closed.mean():.3f} nats')
    for name, off in (('information', closed - exact), ('w1', shares[0] - shares[1])):
        print(f'{name}: mean difference {off.abs().mean():.4f}, largest {off.abs().max():.4f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
