"""The YAML file of a homography: written by `uaafusion calibrate`, read by everyone else."""

from __future__ import annotations

from datetime import date
import os
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration.homography import Homography

SCHEMA = 1

_LARGEST_BYTES = 100_000
_KEYS = {'schema', 'thermal', 'rgb', 'matrix', 'reprojection_error_px', 'points', 'date'}

_HEADER = """\
# Registration of a thermal and an RGB camera, read with registration.mode: homography.
# matrix maps thermal pixels (x, y, 1) to RGB pixels; sizes are [width, height] in pixels.
# Valid as long as cameras, lenses, image sizes and mounting stay as they were on this date.
"""


def read(path: Path) -> Homography:
    """
    Read and check a homography.

    Raises RegistrationError naming the file and what is wrong with it: unreadable, no YAML, a
    key that is missing, unknown or of a wrong type, a matrix that registers nothing.
    """
    try:
        with Path(path).open('rb') as stream:
            data = stream.read(_LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise RegistrationError(
            f'the registration file {path} cannot be read ({error}); write one with '
            '`uaafusion calibrate`') from error
    try:
        return parse(data)
    except RegistrationError as error:
        raise RegistrationError(f'{path}: {error}') from error


def parse(data: bytes) -> Homography:
    """Return the homography in the bytes of a file. Raises RegistrationError."""
    if len(data) > _LARGEST_BYTES:
        raise RegistrationError(
            f'longer than {_LARGEST_BYTES} bytes, so no registration file; write one with '
            '`uaafusion calibrate`')
    # The parser answers odd scalars and deep nesting with ValueError, RecursionError and more.
    try:
        content = yaml.safe_load(data)
    except Exception as error:
        raise RegistrationError(f'no readable YAML ({_first_line(error)})') from error
    entries = _mapping(content, 'the file', _KEYS)
    if entries['schema'] != SCHEMA or isinstance(entries['schema'], bool):
        raise RegistrationError(
            f'schema is {_shown(entries["schema"])}, this version reads {SCHEMA}; write the file '
            'again with `uaafusion calibrate`')
    cameras = {name: _mapping(entries[name], name, {'camera', 'size'})
               for name in ('thermal', 'rgb')}
    sizes: dict[str, Any] = {name: tuple(_whole(number, f'{name}.size')
                         for number in _listing(camera['size'], f'{name}.size', 2))
             for name, camera in cameras.items()}
    matrix = [[_number(number, 'matrix') for number in _listing(row, 'a row of matrix', 3)]
              for row in _listing(entries['matrix'], 'matrix', 3)]
    return Homography(
        np.array(matrix), sizes['thermal'], sizes['rgb'],
        _number(entries['reprojection_error_px'], 'reprojection_error_px'),
        _whole(entries['points'], 'points'), _date(entries['date']),
        _text(cameras['thermal']['camera'], 'thermal.camera'),
        _text(cameras['rgb']['camera'], 'rgb.camera'))


def dump(homography: Homography) -> str:
    """Return the text of the file; `parse` gives the very same homography back."""
    content = {
        'schema': SCHEMA,
        'thermal': {'camera': homography.thermal_camera, 'size': list(homography.thermal_size)},
        'rgb': {'camera': homography.rgb_camera, 'size': list(homography.rgb_size)},
        'matrix': homography.matrix.tolist(),
        'reprojection_error_px': float(homography.error_px),
        'points': int(homography.points),
        'date': homography.date,
    }
    return _HEADER + yaml.safe_dump(content, sort_keys=False, default_flow_style=None)


def write(path: Path, homography: Homography) -> None:
    """Write the file so that readers see the old one or the whole new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        draft.write_text(dump(homography), encoding='utf-8')
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _mapping(value: Any, name: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RegistrationError(f'{name} is {_shown(value)}; it must be a mapping of '
                                f'{", ".join(sorted(keys))}')
    missing = keys - set(value)
    if missing:
        raise RegistrationError(f'{name} lacks {", ".join(sorted(missing))}')
    unknown = [_shown(key) for key in value if key not in keys]
    if unknown:
        raise RegistrationError(f'{name} has the unknown key {unknown[0]}; accepted are '
                                f'{", ".join(sorted(keys))}')
    return value


def _listing(value: Any, name: str, length: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != length:
        raise RegistrationError(f'{name} is {_shown(value)}; it must be a list of {length}')
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
        raise RegistrationError(f'{name} holds {_shown(value)}; accepted are finite numbers')
    return float(value)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**9:
        raise RegistrationError(f'{name} holds {_shown(value)}; accepted are whole numbers from '
                                '0 on')
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise RegistrationError(f'{name} is {_shown(value)}; it must be a text')
    return value


def _date(value: Any) -> str:
    # YAML makes a date of 2025-01-31 unless it stands in quotes.
    try:
        return (value if type(value) is date else date.fromisoformat(value)).isoformat()
    except (TypeError, ValueError) as error:
        raise RegistrationError(f'date is {_shown(value)}; accepted is YYYY-MM-DD') from error


def _shown(value: Any) -> str:
    # Containers may nest without end, and Python refuses to print very long numbers.
    if value is None:
        return 'empty'
    if isinstance(value, str):
        return repr(value[:40])
    if isinstance(value, float) or isinstance(value, int) and abs(value) < 10**15:
        return repr(value)
    return f'a {type(value).__name__}'


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
