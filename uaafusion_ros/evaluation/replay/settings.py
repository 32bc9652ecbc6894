"""The node's parameter file, read without ROS, and what it says of files and calibrations."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from uaafusion_ros import share
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import Camera
from uaafusion_ros.imaging.registration import Extrinsics
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.imaging.registration import PlaneSetup
from uaafusion_ros.imaging.registration import Registration
from uaafusion_ros.parameters.table import DEFAULTS
from uaafusion_ros.parameters.table import normalised
from uaafusion_ros.stream.pairing import STREAMS

NODE = 'fusion_node'


def read_settings(path: Path | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the value of every parameter: the node's defaults, then the file, then `overrides`.

    `path` is a ROS 2 parameter file like config/fusion.yaml. What the node would refuse is
    refused in the same words. Raises ParameterError for a file that is none, an unknown parameter
    (naming the nearest) and a value out of range or of another type.
    """
    given = {**(_read(path) if path else {}), **overrides}
    values = {**DEFAULTS, **normalised({
        name: value for name, value in given.items()
        if name != 'use_sim_time' and not name.startswith('qos_overrides.')})}
    if values['sync.policy'] != 'nearest':
        raise ParameterError(
            f"sync.policy is {values['sync.policy']!r}; a replay pairs by 'nearest' only: set it")
    return values


def described(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with every file as its name and the start of its sha256, no folder."""
    answer = dict(values)
    for name in ('model.path', 'registration.file'):
        if answer[name]:
            path = Path(answer[name])
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else 'none'
            answer[name] = f'{path.name} ({digest[:16]})'
    answer['engine.cache'] = ''  # where engines lie changes nothing
    return answer


def sha256_of(values: Mapping[str, Any]) -> str:
    """Hash settings, whatever file they came from: that of their JSON text with sorted keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def plane_registration(values: Mapping[str, Any], infos: Mapping[str, Any]) -> Registration:
    """
    Return the registration that the settings describe for registration.mode 'plane'.

    `infos` are the cameras' CameraInfo messages. Raises RegistrationError, also while one of them
    is missing.
    """
    missing = [camera for camera in STREAMS if camera not in infos]
    if missing:
        raise RegistrationError(
            f"registration 'plane' needs the calibration of {' and '.join(missing)}: the bag has "
            'no camera_info beside the images, or only later')
    thermal, rgb = (
        Camera.from_info(infos[camera], values['registration.rectified']) for camera in STREAMS)
    return load('plane', setup=PlaneSetup(
        thermal, rgb,
        Extrinsics(values['registration.translation_m'], values['registration.rotation']),
        values['registration.plane_distance_m']))


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
            f'config/fusion.yaml, with a key /**/{NODE} and ros__parameters below it')
    return values


def _flat(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in tree.items():
        name = f'{prefix}{key}'
        values.update(_flat(value, f'{name}.') if isinstance(value, dict) else {name: value})
    return values
