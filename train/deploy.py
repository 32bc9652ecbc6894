"""From a finished run to a shipped model: ONNX file and its row in models/models.yaml."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

from train.config import Config
from train.data import LAYOUTS
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


def deploy(config: Config, folder: Path) -> Path:
    """
    Export the best checkpoint of a joint run into `folder` and pin it in models.yaml there.

    Raises CheckpointError where the run has no such checkpoint or is of another phase.
    """
    tensors, meta = checkpoint.load(Path(config.run) / 'best.safetensors')
    if meta.get('part') != 'network':
        raise CheckpointError(f"{config.run}: holds a '{meta.get('part')}', not a whole network; "
                              "export a run of the phase 'joint'")
    network = UAAFusion(preset(meta['preset']))
    network.load_state_dict(tensors)
    network.eval()
    correct_prior(network, meta['class_weights'], config.loss.prior_correction)
    with torch.no_grad():
        network.look_at_black()
    palette = LAYOUTS[config.data.train[0].layout].palette
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
