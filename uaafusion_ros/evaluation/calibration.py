"""Calibrations of cameras as files and as a guess."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from uaafusion_ros.errors import ParameterError

# Key of a camera_info file, field, number of values (None: any).
_MATRICES = (
    ('camera_matrix', 'k', 9), ('distortion_coefficients', 'd', None),
    ('rectification_matrix', 'r', 9), ('projection_matrix', 'p', 12))


@dataclass(frozen=True)
class Calibration:
    """
    The calibrated part of sensor_msgs/CameraInfo, matrices row by row; zeros where unknown.

    `width` and `height` are the image size it was made for, 0 where any size may be.
    """

    width: int = 0
    height: int = 0
    distortion_model: str = ''
    d: tuple[float, ...] = ()
    k: tuple[float, ...] = (0.0,) * 9
    r: tuple[float, ...] = (0.0,) * 9
    p: tuple[float, ...] = (0.0,) * 12


def read_calibration(path: Path) -> Calibration:
    """
    Read a file of the format that camera_calibration writes and camera_info_manager reads.

    Raises ParameterError naming the key that is missing or has another form.
    """
    def refuse(what: str) -> ParameterError:
        return ParameterError(
            f'{path}: {what}; accepted is a camera_info file as camera_calibration writes it')

    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise refuse(f'cannot be read ({str(error).splitlines()[0]})') from error
    if not isinstance(content, dict):
        raise refuse('is no mapping of keys')
    fields = {}
    for key, field, count in _MATRICES:
        try:
            values = tuple(float(value) for value in content[key]['data'])
        except (KeyError, TypeError, ValueError) as error:
            raise refuse(f'{key} has no list of numbers under data') from error
        if count is not None and len(values) != count:
            raise refuse(f'{key} has {len(values)} values instead of {count}')
        fields[field] = values
    try:
        width, height = int(content['image_width']), int(content['image_height'])
    except (KeyError, TypeError, ValueError) as error:
        raise refuse('image_width and image_height are no numbers') from error
    return Calibration(
        width, height, str(content.get('distortion_model', 'plumb_bob')), **fields)


def pinhole_guess(width: int, height: int) -> Calibration:
    """Guess a camera without distortion: focal length = image width, centre in the middle."""
    focal, x, y = float(width), (width - 1) / 2, (height - 1) / 2
    return Calibration(
        width, height, 'plumb_bob', (0.0,) * 5,
        (focal, 0.0, x, 0.0, focal, y, 0.0, 0.0, 1.0),
        (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        (focal, 0.0, x, 0.0, 0.0, focal, y, 0.0, 0.0, 0.0, 1.0, 0.0))
