"""From a finished run to a shipped model: a file in models/ and, if deployed, its row there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from train.config import Config
from train.data import palette_of
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network.export import export
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

HEADER = """\
# Models that ship with the package. Each file is refused if its sha256 differs.
# Written by `python -m train export`; class ids count from 0 in the order of `classes`.
"""
LICENCE = ('weights trained on research data (MSRS, RoadScene) that states no licence: research '
           'use; retrain on your own data for a product')


def correct_prior(network: UAAFusion, weights: list[float], share: float) -> None:
    """
    Take back a share (0 to 1) of the class weighting that the cross entropy was trained with.

    A network trained with weights w believes in w times the odds of a class, so rare classes
    spill over. Subtracting share * log(w) from the logits is exact in the classifier's bias.
    """
    with torch.no_grad():
        network.segmenter.classify[-1].bias -= share * torch.tensor(weights).log()


def finished(path: Path, share: float) -> tuple[UAAFusion, dict[str, Any]]:
    """
    Return the network of a joint checkpoint as it ships, and what the file says of itself.

    It is in eval mode, its prior corrected by `share`. Raises CheckpointError where there is no
    such checkpoint, it is of another phase or does not fit this version.
    """
    tensors, meta = checkpoint.load(path)
    if meta.get('part') != 'network':
        raise CheckpointError(f"{path}: holds a '{meta.get('part')}', not a whole network; "
                              "give the best checkpoint of a run of the phase 'joint'")
    network = UAAFusion(preset(meta['preset']))
    checkpoint.put(network, tensors, path, meta['preset'])
    network.eval().requires_grad_(False)
    correct_prior(network, meta['class_weights'], share)
    with torch.no_grad():
        network.look_at_black()
    return network, meta


def deploy(config: Config, folder: Path) -> Path:
    """
    Write the best checkpoint of a run of the phase 'joint' or 'exact' into `folder`.

    The joint network becomes ONNX, pinned in models.yaml there. What asks autograd for its
    attribution cannot: its weights are kept for study, in half precision. Raises CheckpointError
    where the run has no such checkpoint or is of another phase.
    """
    best = Path(config.run) / 'best.safetensors'
    tensors, meta = checkpoint.load(best)
    if meta.get('part') == 'exact':
        path = folder / f'uaafusion_{meta["preset"]}.safetensors'
        checkpoint.save(path, {
            name: x.half() if x.is_floating_point() else x for name, x in tensors.items()}, meta)
        return path
    network, meta = finished(best, config.loss.prior_correction)
    palette = palette_of(config.data.train)
    path = folder / f'uaafusion_{meta["preset"]}.onnx'
    digest = export(network, path, list(palette), list(palette.values()))
    listing = folder / 'models.yaml'
    models = yaml.safe_load(listing.read_text())['models'] if listing.is_file() else {}
    models[meta['preset']] = {
        'file': path.name,
        'sha256': digest,
        'precision': 'fp32',
        'card': f'uaafusion_{meta["preset"]}.md',
        'licence': LICENCE,
        'classes': [{'name': name, 'colour': list(colour)} for name, colour in palette.items()],
    }
    listing.write_text(HEADER + yaml.safe_dump(
        {'models': models}, sort_keys=False, default_flow_style=None, width=99))
    return path
