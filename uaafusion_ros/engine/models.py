"""Model files: which there are, whether they are unaltered, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from uaafusion_ros import share
from uaafusion_ros.engine.contract import INPUTS
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.engine.contract import OUTPUTS
from uaafusion_ros.errors import EngineError
from uaafusion_ros.errors import ModelFileError
from uaafusion_ros.packages import pip_install

SCHEMA = 1


def read(model: Path | None, preset: str) -> tuple[bytes, ModelSpec]:
    """Return bytes and description of an ONNX file, None for the shipped one of `preset`."""
    return load(*(shipped(preset) if model is None else (model, None)))


def shipped(preset: str) -> tuple[Path, str]:
    """
    Return path and pinned sha256 of a shipped model, as listed in models/models.yaml.

    Raises ModelFileError for an unknown preset or a missing list.
    """
    listing = _listing()
    if preset not in listing['models']:
        in_torch = preset in listing['weights']
        raise ModelFileError(f"model '{preset}' is not shipped; shipped are "
                             f'{", ".join(sorted(listing["models"]))}'
                             + ("; its weights are, for backend 'torch'" if in_torch else ''))
    return _of_row(listing['models'][preset])


def shipped_weights(preset: str) -> tuple[Path, str]:
    """
    Return path and pinned sha256 of shipped weights for PyTorch, listed there, too.

    Raises ModelFileError where there are none of the preset.
    """
    weights = _listing()['weights']
    if preset not in weights:
        raise ModelFileError(f"weights of '{preset}' for backend 'torch' are not shipped; shipped "
                             f'are {", ".join(sorted(weights))}; else give the path of '
                             'a .safetensors file as the model')
    return _of_row(weights[preset])


def shipped_files() -> list[tuple[Path, str]]:
    """Return path and pinned sha256 of every file that models/models.yaml lists."""
    listing = _listing()
    return [_of_row(row) for kind in ('models', 'weights') for row in listing[kind].values()]


def _listing() -> dict[str, Any]:
    try:
        return yaml.safe_load(share.path('models', 'models.yaml').read_text())
    except FileNotFoundError as error:
        raise ModelFileError(f'{error}; install the package again') from error


def _of_row(row: Mapping[str, Any]) -> tuple[Path, str]:
    return share.path('models', 'models.yaml').parent / row['file'], row['sha256']


def intact(path: Path, pinned: str | None) -> tuple[bytes, str]:
    """Return a file's bytes and sha256; raises ModelFileError if missing or not the pinned one."""
    if not path.is_file():
        raise ModelFileError(f'{path}: no such model file; give the path of a file that this '
                             'package exported, or leave it empty for the shipped one')
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if pinned is not None and digest != pinned:
        raise ModelFileError(f'{path}: sha256 is {digest[:12]}..., models.yaml pins '
                             f'{pinned[:12]}...; the file was altered or is incomplete: '
                             'install the package again')
    return data, digest


def load(path: Path, pinned: str | None = None) -> tuple[bytes, ModelSpec]:
    """
    Read an ONNX file that was exported by this package; return its bytes and description.

    Raises ModelFileError when it is missing, differs from the pinned sha256, cannot be parsed,
    or lacks or contradicts the description that the export writes into it.
    """
    data, digest = intact(path, pinned)
    meta = _metadata(path, data)
    try:
        spec = ModelSpec(
            path, digest, meta['preset'], tuple(json.loads(meta['classes'])),
            np.array(json.loads(meta['palette']), np.uint8), int(meta['multiple']))
        schema = int(meta['schema'])
    except (KeyError, ValueError) as error:
        raise ModelFileError(f'{path}: carries no description of this package ({error!r}); '
                             'export it with `python -m train export`') from error
    if not spec.classes or spec.palette.shape != (len(spec.classes), 3):
        raise ModelFileError(f'{path}: names {len(spec.classes)} classes and a palette of shape '
                             f'{spec.palette.shape}; expected one colour (red, green, blue) per '
                             'class: export it again with `python -m train export`')
    if schema != SCHEMA:
        raise ModelFileError(f'{path}: written in schema {schema}, this version reads {SCHEMA}; '
                             'export it again with this version')
    return data, spec


def _metadata(path: Path, data: bytes) -> dict[str, str]:
    # ONNX Runtime reads the properties of a model for every backend.
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(f'the Python package onnxruntime is needed to read models ({error}): '
                          f'{pip_install("onnxruntime")}') from error
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    except Exception as error:  # the runtime's own exception types are not public
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelFileError(f'{path}: not a readable ONNX model ({reason[:200]})') from error
    for kind, wanted, values in (('inputs', INPUTS, session.get_inputs()),
                                 ('outputs', OUTPUTS, session.get_outputs())):
        got = {value.name: f'{value.type[7:-1]} {len(value.shape)}-D' for value in values}
        expected = {name: f'uint8 {2 + text.count("x3")}-D' for name, text in wanted.items()}
        if got != expected:
            raise ModelFileError(f'{path}: its {kind} are {got}, expected {expected}')
    return session.get_modelmeta().custom_metadata_map
