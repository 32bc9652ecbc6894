"""ROS 2 parameter files, read without ROS as a node would take them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
import re
from typing import Any

import yaml

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.settings import is_foreign
from uaafusion_ros.settings import Settings

NODE = 'fusion_node'
_WILDCARDS = {'*': '/[^/]+', '**': '(/[^/]+)*'}


def read_settings(path: Path | None, overrides: Mapping[str, Any], node: str = '') -> Settings:
    """
    Return the settings: the node's defaults, then the file, then `overrides` by full name.

    `path` is a ROS 2 parameter file like config/fusion.yaml. Its sections count that apply to
    `node`, a full name such as /front/fusion_node; without one, those of a fusion_node in any
    namespace. What the node would refuse is refused in the same words. Raises ParameterError for
    a file that is none, an unknown parameter (naming the nearest) and a value out of range or of
    another type.
    """
    given = {**(_read(path, node) if path else {}), **overrides}
    return Settings().changed(
        {name: value for name, value in given.items() if not is_foreign(name)})


def flat(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return nested parameters by their dotted names."""
    values: dict[str, Any] = {}
    for key, value in tree.items():
        name = f'{prefix}{key}'
        values.update(flat(value, f'{name}.') if isinstance(value, dict) else {name: value})
    return values


def _read(path: Path, node: str) -> dict[str, Any]:
    """Read the parameters by dotted names, later sections over earlier."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(
            f'{path} cannot be read as YAML ({str(error).splitlines()[0]})') from error
    found = [section for name, section in _sections(content) if _applies(name, node)]
    if not found:
        raise ParameterError(
            f'{path} holds no parameters of {node or NODE}; accepted is a ROS 2 parameter file '
            f'such as config/fusion.yaml, with a key /** or {node or NODE} and ros__parameters '
            'below it')
    return {name: value for section in found for name, value in flat(section).items()}


def _sections(tree: Any, name: str = '') -> Iterator[tuple[str, dict[str, Any]]]:
    """Find each mapping ros__parameters, with the namespaces and the node it is below."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if key == 'ros__parameters' and isinstance(value, dict):
            yield name, value
        else:
            yield from _sections(value, f'{name}/{str(key).strip("/")}')


def _applies(section: str, node: str) -> bool:
    """Whether a section's name, in which * is one and ** any number of names, means the node."""
    parts = section.strip('/').split('/')
    if not node:
        return parts[-1] in (NODE, *_WILDCARDS)
    return bool(re.fullmatch(
        ''.join(_WILDCARDS.get(part, '/' + re.escape(part)) for part in parts), node))
