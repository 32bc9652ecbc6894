"""
Compare attribution in closed form, as deployed, with the exact one by integrated gradients.

Run it from the source tree: python benchmarks/parity.py --checkpoint FILE --data DIR. For every
pair of an MSRS folder the network fuses once with its head and once with autograd
(network/exact.py); printed are the mean absolute difference of w1, the PSNR between both fused
images and the share of pixels with equal labels. 'paper' repeats the comparison
with attributions as the paper defines them: luma alone at full size, hard regions of the source
average, restricted to each class's region, five equal steps.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
from pathlib import Path
import sys

import torch
import torch.nn.functional as F

# The training package, whose data set reader this shares, is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from train.batches import whole  # noqa: E402
from train.config import Loss  # noqa: E402
from train.config import Source  # noqa: E402
from train.data import read  # noqa: E402
from train.deploy import finished  # noqa: E402
from uaafusion_ros.network.exact import fuse_exactly  # noqa: E402
from uaafusion_ros.network.model import decide  # noqa: E402
from uaafusion_ros.network.model import UAAFusion  # noqa: E402


def compare(network: UAAFusion, sample, attribution: str, steps: int) -> dict[str, float]:
    """Return the three figures of one pair; `steps` of integrated gradients."""
    batch = whole(sample)
    images = (batch.thermal, batch.luma, batch.chroma)
    with torch.no_grad():
        ours, logits = network(*images)
    spec = replace(network.spec, attribution=attribution)
    exact = fuse_exactly(spec, network.fusion, network.segmenter, *images, steps=steps)
    with torch.no_grad():
        fused = exact.iterates[-1].clamp(0, 1)
        size = batch.luma.shape[2:]
        seen = network.segmenter.look(fused, batch.chroma, network.segmenter.scale)
        labels, wanted = (decide(x, size)[0] for x in (logits, seen))
    error = F.mse_loss(ours.fused, fused).item()
    return {
        'w1': (ours.attribution.w_thermal - exact.w_thermal).abs().mean().item(),
        'psnr': 10 * torch.log10(torch.tensor(1 / max(error, 1e-10))).item(),
        'labels': (labels == wanted).float().mean().item(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--checkpoint', type=Path, required=True, help='of the joint phase')
    parser.add_argument('--data', required=True, help='folder in the layout of MSRS')
    parser.add_argument('--every', type=int, default=1, help='take every n-th pair')
    parser.add_argument('--steps', type=int, default=20, help='of integrated gradients')
    options = parser.parse_args()
    network, meta = finished(options.checkpoint, Loss().prior_correction)
    samples = read(Source('msrs', options.data))[::options.every]
    result = {}
    for name, attribution, steps in (('closed', 'closed', options.steps), ('paper', 'exact', 5)):
        rows = [compare(network, sample, attribution, steps) for sample in samples]
        result[name] = {
            key: {'mean': sum(r[key] for r in rows) / len(rows),
                  'worst': (max if key == 'w1' else min)(r[key] for r in rows)}
            for key in rows[0]}
        print(name, ' '.join(f'{k} {v["mean"]:.4g} (worst {v["worst"]:.4g})'
                             for k, v in result[name].items()), flush=True)
    print(json.dumps({'pairs': len(samples), 'steps': options.steps,
                      'weights': str(meta.get('step')), **result}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
