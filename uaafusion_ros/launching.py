"""What the launch files need beside launch: camera pairs, parameters, a build command."""

from __future__ import annotations

import difflib
from pathlib import Path
import sys
from typing import Any

import yaml

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.parameter_file import flat
from uaafusion_ros.settings import Settings

# Arguments of fusion.launch.py that each pair may set for itself.
PAIR_KEYS = ('namespace', 'thermal_topic', 'thermal_info_topic', 'rgb_topic', 'rgb_info_topic',
             'params_file', 'node_name', 'backend', 'log_level')
_SIZE = (640, 480)


def camera_pairs(path: Path) -> list[dict[str, str]]:
    """
    Read a file like config/cameras.yaml: a list `cameras` of mappings with keys of PAIR_KEYS.

    Each needs a `namespace` of its own. A relative `params_file` lies beside the file. Raises
    ParameterError that names the entry and what is wrong.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        text = ' '.join(str(error).split())
        raise ParameterError(f'{path} is no list of camera pairs: {text}') from error
    entries = content.get('cameras') if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ParameterError(
            f'{path} has no list `cameras`; config/cameras.yaml shows how it is written')
    pairs = [_pair(path, number, entry) for number, entry in enumerate(entries, 1)]
    namespaces = [pair['namespace'].strip('/') for pair in pairs]
    twice = sorted({name for name in namespaces if namespaces.count(name) > 1})
    if twice:
        raise ParameterError(
            f'{path}: namespace {", ".join(twice)} is there twice; the nodes of two pairs would '
            'publish on the same topics')
    return pairs


def _pair(path: Path, number: int, entry: Any) -> dict[str, str]:
    where = f'{path}: camera pair {number}'
    if not isinstance(entry, dict) or not entry.get('namespace'):
        raise ParameterError(f'{where} needs at least a namespace')
    for key, value in entry.items():
        if key not in PAIR_KEYS:
            near = difflib.get_close_matches(str(key), PAIR_KEYS, n=1)
            raise ParameterError(f'{where} has the unknown key {key!r}; ' + (
                f'did you mean {near[0]!r}?' if near else f'known are {", ".join(PAIR_KEYS)}'))
        if not isinstance(value, str):
            raise ParameterError(f'{where}: {key} is {value!r}; accepted is a text')
    pair = dict(entry)
    if pair.get('params_file'):
        pair['params_file'] = str(path.parent / pair['params_file'])
    return pair


def parse_parameters(text: str) -> dict[str, Any]:
    """
    Read parameters written as a YAML mapping, such as '{sync.slop_ms: 20.0}', by dotted names.

    Raises ParameterError for a text that is none.
    """
    try:
        tree = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ParameterError(f'{text!r} is no YAML: {" ".join(str(error).split())}') from error
    if not isinstance(tree, dict):
        raise ParameterError(f"{text!r} names no parameters; write '{{sync.slop_ms: 20.0}}'")
    return flat(tree)


def describe_exit(code: int) -> str:
    """Return how a process with this exit code ended; a negative one is the signal's number."""
    return f'was killed by signal {-code}' if code < 0 else f'ended with exit code {code}'


def build_command(settings: Settings) -> list[str]:
    """
    Return the command that builds the TensorRT engine which these settings will ask for.

    Without engine.warmup_size it is built for 640x480.
    """
    model, engine = settings.model, settings.engine
    width, height = engine.warmup_size if all(engine.warmup_size) else _SIZE
    command = [sys.executable, '-m', 'uaafusion_ros.cli.main', 'build-engine',
               '--size', f'{width}x{height}', '--precision', engine.precision]
    command += ['--model', model.path] if model.path else ['--preset', model.preset]
    return command + (['--cache', engine.cache] if engine.cache else [])
