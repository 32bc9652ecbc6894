"""Self-describing weights: safetensors with the preset and its settings in the metadata."""

from __future__ import annotations

from contextlib import suppress
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from torch import Tensor

from uaafusion_ros.errors import CheckpointError


def save(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """
    Write tensors and JSON-able metadata to `path`, replacing it atomically.

    Raises CheckpointError where they cannot be written, as on a full disk; what was at `path`
    before stays.
    """
    partial = path.with_suffix('.partial')
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(plain, partial, metadata={'json': json.dumps(meta)})
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            partial.unlink()
        size = sum(value.nbytes for value in plain.values()) / 1e6
        raise CheckpointError(f'{path}: {size:.1f} MB cannot be written ({error}); make room, or '
                              'name a folder that can be written to') from error


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """
    Read tensors and metadata written by `save`.

    Raises CheckpointError naming the file when it is missing, truncated or not ours.
    """
    if not path.is_file():
        raise CheckpointError(f'{path}: no such checkpoint')
    try:
        with safe_open(path, framework='pt') as file:
            meta = json.loads((file.metadata() or {}).get('json', 'null'))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f'{path}: damaged or no safetensors file ({error}); '
                              'fetch or train it again') from error
    if meta is None:
        raise CheckpointError(f'{path}: carries no description of its network; '
                              'only checkpoints written by this package are accepted')
    return tensors, meta


def put(module: nn.Module, tensors: dict[str, Tensor], path: Path, preset: str) -> None:
    """
    Give a network of `preset` its weights.

    Raises CheckpointError naming the file, `path`, where they are another network's.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its weights are not those of preset '{preset}' in this "
                              f'version ({str(error).splitlines()[-1].strip()}); train it '
                              'again') from error
