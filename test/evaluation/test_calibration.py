"""Calibrations are taken as they stand, or guessed and never half read."""

from __future__ import annotations

import pytest
import yaml

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.calibration import pinhole_guess
from uaafusion_ros.evaluation.calibration import read_calibration

FILE = {
    'image_width': 640, 'image_height': 480, 'camera_name': 'rgb', 'distortion_model': 'plumb_bob',
    'camera_matrix': {'rows': 3, 'cols': 3, 'data': [500, 0, 320, 0, 501.5, 240, 0, 0, 1]},
    'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.1, -0.2, 0, 0, 0]},
    'rectification_matrix': {'rows': 3, 'cols': 3, 'data': [1, 0, 0, 0, 1, 0, 0, 0, 1]},
    'projection_matrix': {'rows': 3, 'cols': 4, 'data': list(range(12))},
}


def write(tmp_path, content):
    path = tmp_path / 'rgb.yaml'
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_file_is_read_value_by_value(tmp_path):
    found = read_calibration(write(tmp_path, FILE))
    assert (found.width, found.height, found.distortion_model) == (640, 480, 'plumb_bob')
    assert found.k == (500, 0, 320, 0, 501.5, 240, 0, 0, 1) and found.p == tuple(range(12))
    assert found.d == (0.1, -0.2, 0, 0, 0)


@pytest.mark.parametrize('content, said', [
    ({**FILE, 'camera_matrix': {'data': [1, 2]}}, 'camera_matrix has 2 values instead of 9'),
    ({**FILE, 'camera_matrix': 3}, 'camera_matrix has no list'),
    ({key: FILE[key] for key in FILE if key != 'projection_matrix'}, 'projection_matrix'),
    ({**FILE, 'image_width': 'wide'}, 'image_width'),
    ('just text', 'no mapping'), ('a: [', 'cannot be read'),
])
def test_what_is_missing_is_named(tmp_path, content, said):
    with pytest.raises(ParameterError, match=said):
        read_calibration(write(tmp_path, content))


def test_the_guess_looks_straight_ahead():
    guess = pinhole_guess(641, 481)
    assert guess.k == (641, 0, 320, 0, 641, 240, 0, 0, 1) and guess.d == (0,) * 5
