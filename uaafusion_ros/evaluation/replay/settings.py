"""The node's parameter file, read without ROS, and what it says of files."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from uaafusion_ros import share
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.settings import is_foreign
from uaafusion_ros.settings import Settings

NODE = 'fusion_node'


def read_settings(path: Path | None, overrides: Mapping[str, Any]) -> Settings:
    """
    Return the settings: the node's defaults, then the file, then `overrides` by full name.

    `path` is a ROS 2 parameter file like config/fusion.yaml. What the node would refuse is
    refused in the same words. Raises ParameterError for a file that is none, an unknown parameter
    (naming the nearest) and a value out of range or of another type.
    """
    given = {**(_read(path) if path else {}), **overrides}
    settings = Settings().changed(
        {name: value for name, value in given.items() if not is_foreign(name)})
    if settings.sync.policy != 'nearest':
        raise ParameterError(
            f"sync.policy is {settings.sync.policy!r}; a replay pairs by 'nearest' only: set it")
    return settings


def described(settings: Settings) -> dict[str, Any]:
    """Return values by full name, every file as its name and the start of its sha256."""
    answer = settings.values()
    for name in ('model.path', 'registration.file'):
        if answer[name]:
            path = Path(answer[name])
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else 'none'
            answer[name] = f'{path.name} ({digest[:16]})'
    answer['engine.cache'] = ''  # where engines lie changes nothing
    return answer


def sha256_of(values: Mapping[str, Any]) -> str:
    """Hash values, whatever file they came from: that of their JSON text with sorted keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def shipped_precision(sha256: str) -> str:
    """Return the precision that models.yaml states for a file; 'unknown' for another file."""
    listing = yaml.safe_load(share.path('models', 'models.yaml').read_text())['models']
    return next((entry.get('precision', 'unknown') for entry in listing.values()
                 if entry['sha256'] == sha256), 'unknown')


def _read(path: Path) -> dict[str, Any]:
    """Read the parameters of the fusion node by dotted names, later sections over earlier."""
    try:
        sections = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(
            f'{path} cannot be read as YAML ({str(error).splitlines()[0]})') from error
    values: dict[str, Any] = {}
    found = False
    for node, section in (sections.items() if isinstance(sections, dict) else ()):
        if str(node).rpartition('/')[2] not in (NODE, '*', '**'):
            continue
        if isinstance(section, dict) and isinstance(section.get('ros__parameters'), dict):
            found = True
            values.update(_flat(section['ros__parameters']))
    if not found:
        raise ParameterError(
            f'{path} holds no parameters of {NODE}; accepted is a ROS 2 parameter file such as '
            f'config/fusion.yaml, with a key /** or {NODE} and ros__parameters below it')
    return values


def _flat(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in tree.items():
        name = f'{prefix}{key}'
        values.update(_flat(value, f'{name}.') if isinstance(value, dict) else {name: value})
    return values
