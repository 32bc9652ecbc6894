"""
What a segmentation network is shown of a pair, by name.

A view is an image (luma (B, 1, H, W), chroma (B, 2, H, W)). 'mixed' is what makes a network fit to
look at both sources and at what is fused of them; the others are for comparison, so that what an
input is worth can be measured with networks trained alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from train.batches import Batch
from train.config import Config
from uaafusion_ros.errors import ParameterError

Image = tuple[Tensor, Tensor]
View = Callable[[Batch], Image]


@dataclass(frozen=True)
class Views:
    """
    `training` draws the view of a batch; `validation` names those to be validated on.

    The score of the last one decides which checkpoint is the best.
    """

    training: Callable[[Batch, np.random.Generator], Image]
    validation: dict[str, View]


def rgb(batch: Batch) -> Image:
    """Return the RGB image as it is."""
    return batch.luma, batch.chroma


def thermal(batch: Batch) -> Image:
    """Return the thermal image, without chroma: its camera has none."""
    return batch.thermal, torch.full_like(batch.chroma, 0.5)


def mean(batch: Batch) -> Image:
    """Return the mean of luma and thermal with the chroma of the RGB image."""
    return (batch.luma + batch.thermal) / 2, batch.chroma


def sources_and_mixes(batch: Batch, rng: np.random.Generator) -> Image:
    """
    Return one random view per sample.

    It is the RGB image, the thermal image, their mean, a random mix or the brighter of both: what
    a fused image may look like on the way.
    """
    kinds = rng.integers(0, 5, batch.total)[batch.rows]
    shares = rng.random(batch.total)[batch.rows].tolist()
    lumas, chromas = [], []
    for index, (kind, share) in enumerate(zip(kinds, shares)):
        y, t, chroma = batch.luma[index], batch.thermal[index], batch.chroma[index]
        if kind == 1:
            chroma = torch.full_like(chroma, 0.5)
        lumas.append((y, t, (y + t) / 2, share * y + (1 - share) * t, torch.maximum(y, t))[kind])
        chromas.append(chroma)
    return torch.stack(lumas), torch.stack(chromas)


ALONE = {'rgb': rgb, 'thermal': thermal, 'mean': mean}
NAMES = ('mixed', *ALONE)


def _twice_the_mean(batch: Batch) -> Batch:
    both = (batch.luma + batch.thermal) / 2
    return replace(batch, thermal=both, luma=both, cameras=batch.cameras.all(0).expand(2, -1))


def _without(batch: Batch, camera: str) -> Batch:
    black, cameras = torch.zeros_like(batch.luma), batch.cameras.clone()
    cameras[0 if camera == 'thermal' else 1] = False
    if camera == 'thermal':
        return replace(batch, thermal=black, cameras=cameras)
    return replace(
        batch, luma=black, chroma=torch.full_like(batch.chroma, 0.5), cameras=cameras)


# What a whole network is given in the place of both sources, so that networks trained alike tell
# what an input is worth.
INPUTS: dict[str, Callable[[Batch], Batch]] = {
    'both': lambda batch: batch,
    'rgb': lambda batch: _without(batch, 'thermal'),
    'thermal': lambda batch: _without(batch, 'rgb'),
    'mean': _twice_the_mean,
}


def make_views(config: Config) -> Views:
    """
    Return the views that `config.views` names.

    Raises ParameterError for an unknown name.
    """
    if config.views == 'mixed':
        return Views(sources_and_mixes, ALONE)
    if config.views not in NAMES:
        raise ParameterError(f"'views': '{config.views}' is unknown; known: {', '.join(NAMES)}")
    view = ALONE[config.views]
    return Views(lambda batch, rng: view(batch), {config.views: view})
