"""Weights of an earlier phase, by the path of its best checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.network import checkpoint


def trained(part: str, path: str, preset: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """
    Return state dict and metadata of `part` ('segmenter', 'fusion' or 'network') of a preset.

    Raises CheckpointError where the path is empty, no checkpoint, or of something else.
    """
    if not path:
        raise CheckpointError(
            f"'{part}' is empty: name the best checkpoint of the phase that trains it")
    tensors, meta = checkpoint.load(Path(path))
    if meta.get('part') != part or meta.get('preset') != preset:
        raise CheckpointError(
            f"{path}: holds the {meta.get('part')} of preset '{meta.get('preset')}', "
            f"expected the {part} of '{preset}'")
    return tensors, meta
