"""Picked points are read from CSV and YAML, and a wrong one is named by its row."""

import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.calibration import points

CSV = 'view,thermal_x,thermal_y,rgb_x,rgb_y\na,1,2,3,4.5\nb,5,6,7,8\na,9,10,11,12\n'
YAML = '''
- {view: a, thermal_x: 1, thermal_y: 2, rgb_x: 3, rgb_y: 4.5}
- {view: b, thermal_x: 5, thermal_y: 6, rgb_x: 7, rgb_y: 8}
- {view: a, thermal_x: 9, thermal_y: 10, rgb_x: 11, rgb_y: 12}
'''


@pytest.mark.parametrize('name, text', [
    ('p.csv', CSV), ('p.yaml', YAML), ('q.csv', '\ufeff' + CSV)])
def test_points_are_grouped_by_view(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding='utf-8')
    first, second = points.read(tmp_path / name)
    assert (first.name, second.name) == ('a', 'b')
    assert np.array_equal(first.thermal, [[1, 2], [9, 10]])
    assert np.array_equal(first.rgb, [[3, 4.5], [11, 12]])


@pytest.mark.parametrize('name, text, reason', [
    ('p.csv', CSV.replace('7', 'x'), 'rgb_x of point 2 is no number'),
    ('p.csv', CSV.replace('7', 'nan'), 'rgb_x of point 2 is no number'),
    ('p.csv', CSV.replace(',8', ''), 'rgb_y of point 2'),
    ('p.csv', CSV.replace(',8', ',8,9'), 'point 2 must have exactly'),
    ('p.csv', CSV.replace('thermal_x', 'tx'), 'point 1 must have exactly'),
    ('p.csv', CSV.splitlines()[0], 'holds no points'),
    ('p.csv', '', 'holds no points'),
    ('p.yaml', '[', 'no readable YAML'),
    ('p.yaml', 'a: 1', 'must be a list'),
    ('p.yaml', YAML.replace('7', '[7]'), 'rgb_x of point 2'),
    ('p.yaml', YAML.replace('7', '0x' + 'f' * 9000), 'rgb_x of point 2'),
])
def test_a_wrong_point_is_named(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(RegistrationError, match=reason):
        points.read(tmp_path / name)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / 'p.csv').write_bytes(b'\xff\xfe\x00')
    for path in (tmp_path / 'p.csv', tmp_path / 'none.csv', tmp_path):
        with pytest.raises(RegistrationError):
            points.read(path)
