"""Weights to begin with: the best checkpoint of an earlier phase by its path, or what ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from uaafusion_ros.engine.models import intact
from uaafusion_ros.engine.models import shipped_weights
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.network import checkpoint


def begin_with(module: nn.Module, part: str, path: str, preset: str) -> dict[str, Any]:
    """
    Give `module` the weights of `part` ('segmenter', 'fusion' or 'network'), return the metadata.

    A path that is the preset's name means the weights that ship. Raises CheckpointError where the
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
    checkpoint.put(module, tensors, Path(path), preset)
    return meta
