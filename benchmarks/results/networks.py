"""Networks in PyTorch, from their weights to kept images; what a shipped graph cannot switch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.results.methods import Fused
from benchmarks.results.methods import Method
from benchmarks.results.store import key_of
from benchmarks.results.store import Store
from benchmarks.results.switches import nothing
from benchmarks.results.switches import Switch
from benchmarks.results.switches import switched
from train.batches import whole
from train.config import Loss
from train.data import Sample
from train.deploy import finished
from uaafusion_ros.engine.torch_backend import deployed
from uaafusion_ros.engine.torch_backend import ExactNetwork
from uaafusion_ros.engine.torch_backend import read
from uaafusion_ros.network.model import UAAFusion

Network = UAAFusion | ExactNetwork


@dataclass(frozen=True)
class Loaded:
    """A network in eval mode and the file that its weights came from."""

    network: Network
    path: Path


def load_shipped(path: Path) -> Loaded:
    """Return the network of a file that ships as PyTorch weights. Raises UaafusionError."""
    return Loaded(read(path)[0], path)


def load_joint(path: Path) -> Loaded:
    """Return the network of a joint checkpoint as the export makes it. Raises CheckpointError."""
    return Loaded(finished(path, Loss().prior_correction)[0], path)


def fuse(network: Network, sample: Sample, switch: Switch = nothing) -> tuple[np.ndarray, ...]:
    """Return the fused image (uint8 HxWx3) and the mask (uint8 HxW) as a message would have it."""
    graph = deployed(network, torch.device('cpu'), 'fp32')
    # Not inference_mode: exact attribution takes derivatives inside.
    with torch.no_grad(), switched(network.fusion, switch):
        image, mask, _ = graph(torch.from_numpy(sample.rgb), torch.from_numpy(sample.thermal))
    return image.numpy(), mask.numpy()


def method(loaded: Loaded, name: str, store: Store, variant: str = 'whole',
           switch: Callable[[Sample], Switch] = lambda sample: nothing) -> Method:
    """Return a network as a method; `variant` names what `switch` makes of it, per pair."""
    key = key_of(loaded.path, variant)

    def fused(sample: Sample) -> Fused:
        image, mask = store.images(
            key, sample.name, ('fused', 'mask'),
            lambda: fuse(loaded.network, sample, switch(sample)))
        return image, mask
    return Method(name, fused, ours=True,
                  weights=hashlib.sha256(loaded.path.read_bytes()).hexdigest())


def lumas(loaded: Loaded, sample: Sample, store: Store, variant: str, switch: Switch,
          stages: Sequence[int]) -> list[np.ndarray]:
    """Return the fused luma after each of `stages` stages, clipped, float64 (H, W) in levels."""
    found: list[Tensor] = []

    def compute() -> list[np.ndarray]:
        with torch.no_grad(), switched(loaded.network.fusion, switch), switched(
                loaded.network.fusion, lambda fusion: [fusion.register_forward_hook(
                    lambda module, args, iterates: found.extend(iterates))]):
            batch = whole(sample)
            loaded.network(batch.thermal, batch.luma, batch.chroma)
        # 16 bits, so that rounding stays far below the changes that are looked for.
        return [(found[k][0, 0].clamp(0, 1) * 65535).round().numpy().astype(np.uint16)
                for k in stages]

    images = store.images(
        key_of(loaded.path, variant), sample.name, [f'stage{k}' for k in stages], compute)
    return [image / 65535 * 255 for image in images]
