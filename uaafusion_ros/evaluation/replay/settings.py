"""The node's parameter file, read without ROS, and what it says of files."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from uaafusion_ros import parameter_file
from uaafusion_ros import share
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.settings import Settings


def read_settings(path: Path | None, overrides: Mapping[str, Any]) -> Settings:
    """
    Return the settings of a parameter file and `overrides`, as parameter_file.read_settings.

    Raises ParameterError, for a policy that a replay has not, too.
    """
    settings = parameter_file.read_settings(path, overrides)
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
