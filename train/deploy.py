"""From a finished run to what ships: its files in models/, each pinned by a row there."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
import hashlib
from pathlib import Path
from typing import Any

import torch
import yaml

from train.config import Config
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network.export import export
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

HEADER = """\
# Models that ship with the package. Each file is refused if its sha256 differs.
# `models` run in the node; `weights` are for study in PyTorch.
# Written by `python -m train export`; class ids count from 0 in the order of `classes`.
"""
LICENCE = ('weights trained on research data, which the card names: research use; retrain on your '
           'own data for a product')


def finished(path: Path) -> tuple[UAAFusion, dict[str, Any]]:
    """
    Return the network of a joint checkpoint as it ships, in eval mode, and the file's metadata.

    A network that learned under class weights w believes in w times the odds of a class. That is
    taken back from the bias of the mask (logit adjustment: A. Menon et al., ICLR 2021), and
    'class_weights' from the metadata, so that it is done once. Raises CheckpointError where there
    is no such checkpoint, it is of another phase or does not fit this version.
    """
    tensors, meta = checkpoint.load(path)
    if meta.get('part') != 'network':
        raise CheckpointError(f"{path}: holds a '{meta.get('part')}', not a whole network; "
                              "give the best checkpoint of a run of the phase 'joint'")
    spec = replace(preset(meta['preset']), classes=len(meta['classes']),
                   weights=meta.get('weights', 'attributed'))
    network = UAAFusion(spec, meta['targets'], meta['bodies'])
    checkpoint.put(network, tensors, path, meta['preset'])
    network.eval().requires_grad_(False)
    if 'class_weights' in meta:
        network.mask_head.refine[-1].bias -= torch.tensor(meta.pop('class_weights')).log()
    network.look_at_black()
    return network, meta


def deploy(config: Config, folder: Path) -> list[Path]:
    """
    Write the best checkpoint of a run of the phase 'joint' or 'exact' into `folder`.

    The joint network becomes ONNX, and beside it weights to fine-tune. What asks autograd for its
    attribution has weights alone, for study. They are in half precision and keep the checkpoint's
    metadata: preset, classes, palette, targets, bodies, samples, settings. All files are pinned in
    models.yaml there. Raises CheckpointError where the run has no such checkpoint or is of
    another phase.
    """
    best = Path(config.run) / 'best.safetensors'
    tensors, meta = checkpoint.load(best)
    written = []
    if meta.get('part') != 'exact':
        network, meta = finished(best)
        tensors = network.state_dict()
        palette = dict(zip(meta['classes'], meta['palette']))
        path = folder / f"uaafusion_{meta['preset']}.onnx"
        digest = export(network, path, list(palette), list(palette.values()))
        _pin('models', meta['preset'], path, digest, 'fp32', palette)
        written.append(path)
    path = folder / f"uaafusion_{meta['preset']}.safetensors"
    checkpoint.save(path, {
        key: x.half() if x.is_floating_point() else x for key, x in tensors.items()}, meta)
    _pin('weights', meta['preset'], path, hashlib.sha256(path.read_bytes()).hexdigest(), 'fp16',
         dict(zip(meta['classes'], meta['palette'])))
    return [*written, path]


def _pin(kind: str, name: str, path: Path, digest: str, precision: str,
         palette: Mapping[str, Sequence[int]]) -> None:
    """Write the row of a file into the list beside it; kind: 'models' or 'weights'."""
    pinned = path.parent / 'models.yaml'
    listing = yaml.safe_load(pinned.read_text()) if pinned.is_file() else {}
    listing.setdefault(kind, {})[name] = {
        'file': path.name,
        'sha256': digest,
        'precision': precision,
        'card': f'uaafusion_{name}.md',
        'licence': LICENCE,
        'classes': [{'name': each, 'colour': list(colour)} for each, colour in palette.items()],
    }
    pinned.write_text(HEADER + yaml.safe_dump(
        listing, sort_keys=False, default_flow_style=None, width=99))
