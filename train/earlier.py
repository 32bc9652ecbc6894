"""Weights to begin with: the best checkpoint of an earlier phase by its path, or what ships."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import sys

import torch
from torch import nn
from torch import Tensor

from uaafusion_ros.engine.models import intact
from uaafusion_ros.engine.models import shipped_weights
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network import presets
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.model import UAAFusion

# What has layers of single classes.
MAKERS = {'segmenter': make_segmenter, 'network': UAAFusion}


def begin_with(module: nn.Module, part: str, path: str, preset: str,
               classes: Sequence[str] = ()) -> None:
    """
    Give `module`, of `classes`, the weights of `part` ('segmenter', 'fusion' or 'network').

    A path that is the preset's name means the weights that ship. Of weights of another class list
    everything is taken but layers of single classes; of these, what belongs to classes of the same
    name, which is told on stderr. Raises CheckpointError where the
    path is empty, no checkpoint, or of something else, and ModelFileError where no weights of the
    preset ship or the file is missing or altered.
    """
    if not path:
        raise CheckpointError(
            f"'{part}' is empty: name the best checkpoint of the phase that trains it")
    if path == preset:
        shipped, pinned = shipped_weights(preset)
        intact(shipped, pinned)
        path = str(shipped)
    tensors, meta = checkpoint.load(Path(path))
    if meta.get('part') != part or meta.get('preset') != preset:
        raise CheckpointError(
            f"{path}: holds the {meta.get('part')} of preset '{meta.get('preset')}', "
            f"expected the {part} of '{preset}'")
    known = meta.get('classes') or classes
    if part in MAKERS and list(known) != list(classes):
        tensors = _translated(tensors, module, part, preset, known, classes)
        told = {True: [], False: []}
        for name in classes:
            told[name in known].append(name)
        print(f'{path}: has the classes {", ".join(known)}; kept for '
              f'{", ".join(told[True]) or "none"}, new for {", ".join(told[False]) or "none"}',
              file=sys.stderr)
    checkpoint.put(module, tensors, Path(path), preset)


def _translated(tensors: dict[str, Tensor], module: nn.Module, part: str, preset: str,
                known: Sequence[str], classes: Sequence[str]) -> dict[str, Tensor]:
    """Return weights of the classes `known` as those of `classes`; new ones are the module's."""
    with torch.device('meta'):  # shapes alone tell which tensors grow with the classes
        few, more = (MAKERS[part](replace(presets.preset(preset), classes=count)).state_dict()
                     for count in (2, 3))
    result, fresh = dict(tensors), module.state_dict()
    for key in few.keys() & tensors.keys():
        grown = [axis for axis, sizes in enumerate(zip(few[key].shape, more[key].shape))
                 if sizes[0] != sizes[1]]
        if grown:
            made, old = fresh[key].clone().movedim(grown[0], 0), tensors[key].movedim(grown[0], 0)
            for index, name in enumerate(classes):
                if name in known:
                    made[index] = old[known.index(name)]
            result[key] = made.movedim(0, grown[0])
    return result
