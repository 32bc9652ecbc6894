"""Points that somebody picked in both images, from a CSV or YAML file."""

from __future__ import annotations

import csv
from io import StringIO
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.calibration.contract import Matches

COLUMNS = ('view', 'thermal_x', 'thermal_y', 'rgb_x', 'rgb_y')

_LARGEST_BYTES = 10_000_000


def read(path: Path) -> list[Matches]:
    """
    Read picked points, grouped by view in the order of the file.

    CSV with the header `view,thermal_x,thermal_y,rgb_x,rgb_y`, or (suffix .yaml, .yml) a YAML
    list of mappings with these keys. Coordinates are pixels; the centre of the first pixel is
    (0, 0). Raises RegistrationError naming the row.
    """
    try:
        with Path(path).open('rb') as stream:
            data = stream.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise RegistrationError(f'the points {path} cannot be read ({error})') from error
    if len(data) > _LARGEST_BYTES:
        raise RegistrationError(f'{path} is longer than {_LARGEST_BYTES} bytes')
    try:
        rows = _yaml(data) if Path(path).suffix.lower() in ('.yaml', '.yml') else _csv(data)
        views: dict[str, list[list[float]]] = {}
        for number, row in enumerate(rows, 1):
            view, point = _point(row, number)
            views.setdefault(view, []).append(point)
    except RegistrationError as error:
        raise RegistrationError(f'{path}: {error}') from error
    if not views:
        raise RegistrationError(f'{path} holds no points; its columns are {", ".join(COLUMNS)}')
    return [Matches(name, np.array(points)[:, :2], np.array(points)[:, 2:])
            for name, points in views.items()]


def _csv(data: bytes) -> list[Any]:
    try:
        return list(csv.DictReader(StringIO(data.decode('utf-8-sig'))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RegistrationError(f'no readable CSV ({error})') from error


def _yaml(data: bytes) -> list[Any]:
    # The parser answers odd scalars and deep nesting with ValueError, RecursionError and more.
    try:
        rows = yaml.safe_load(data)
    except Exception as error:
        raise RegistrationError(f'no readable YAML ({type(error).__name__})') from error
    if not isinstance(rows, list):
        raise RegistrationError('must be a list of points')
    return rows


def _point(row: Any, number: int) -> tuple[str, list[float]]:
    if not isinstance(row, dict) or set(row) != set(COLUMNS):
        raise RegistrationError(f'point {number} must have exactly {", ".join(COLUMNS)}')
    point = []
    for column in COLUMNS[1:]:
        try:
            value = float(row[column])
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if not abs(value) < 1e6:
            raise RegistrationError(f'{column} of point {number} is no number of pixels')
        point.append(value)
    return str(row['view'])[:200], point
