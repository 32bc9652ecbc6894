"""The registration file: what was written is read, and anything else is refused by name."""

from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import yaml

from uaafusion_ros import share
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.imaging.registration.homography import Homography
from uaafusion_ros.imaging.registration.homography import registration
from uaafusion_ros.imaging.registration.homography_file import dump
from uaafusion_ros.imaging.registration.homography_file import parse
from uaafusion_ros.imaging.registration.homography_file import read
from uaafusion_ros.settings import RegistrationSettings

GOOD = Homography(
    np.array([[1.02, 0.031, -12.7], [-0.03, 1.01, 8.123456789], [1e-5, -2e-5, 1]]), (640, 512),
    (1280, 1024), 0.4321, 864, '2025-01-31', 'thermal_left', 'rgb: left #1')


def content():
    return yaml.safe_load(dump(GOOD))


def text_of(content):
    return yaml.safe_dump(content, allow_unicode=True).encode()


def same(a, b):
    return np.array_equal(a.matrix, b.matrix) and {
        **vars(a), 'matrix': 0} == {**vars(b), 'matrix': 0}


def test_what_was_written_is_read(tmp_path):
    (tmp_path / 'r.yaml').write_text(dump(GOOD))
    assert same(read(tmp_path / 'r.yaml'), GOOD)


def test_the_example_is_a_registration():
    example_file = share.path('config', 'registration.example.yaml')
    thermal = np.full((512, 640), 9, np.uint8)
    asked = RegistrationSettings(mode='homography', file=str(example_file))
    registered = load(asked).apply(thermal, (1024, 1280))
    assert registered.overlap is not None


def test_a_date_without_quotes_is_one():
    assert same(parse(dump(GOOD).replace("'2025-01-31'", '2025-01-31').encode()), GOOD)


@pytest.mark.parametrize('key', sorted(content()))
def test_a_missing_key_is_named(key):
    kept = content()
    del kept[key]
    with pytest.raises(RegistrationError, match=f'lacks {key}'):
        parse(text_of(kept))


@pytest.mark.parametrize('key, value, reason', [
    ('schema', 2, 'schema is 2, this version reads 1'),
    ('schema', True, 'schema is True'),
    ('matrix', [[1, 0, 0], [0, 1, 0], [0, 0, float('nan')]], 'matrix holds nan'),
    ('matrix', [[1, 0, 0], [0, 1, 0], [0, 0, float('inf')]], 'matrix holds inf'),
    ('matrix', [[1, 0, 0], [0, '1', 0], [0, 0, 1]], "matrix holds '1'"),
    ('matrix', [[1, 0, 0], [0, True, 0], [0, 0, 1]], 'matrix holds True'),
    ('matrix', [[1, 0, 0], [0, 1, 0]], 'must be a list of 3'),
    ('matrix', [[0, 0, 0], [0, 0, 0], [0, 0, 0]], 'singular'),
    ('matrix', [[-1, 0, 639], [0, 1, 0], [0, 0, 1]], 'mirrors'),
    ('rgb', {'camera': 'a', 'size': [1280.0, 1024]}, 'rgb.size holds 1280.0'),
    ('rgb', {'camera': 'a', 'size': [0, 1024]}, 'rgb size is 0x1024'),
    ('rgb', {'camera': 7, 'size': [1280, 1024]}, 'rgb.camera is 7'),
    ('rgb', [1280, 1024], 'rgb is a list'),
    ('thermal', {'camera': 'a'}, 'thermal lacks size'),
    ('reprojection_error_px', -0.1, 'reprojection error is -0.1'),
    ('reprojection_error_px', None, 'holds empty'),
    ('points', 3.5, 'points holds 3.5'),
    ('date', '31.01.2025', "date is '31.01.2025'"),
    ('date', 20250131.5, 'date is 20250131.5'),
    ('colour', 1, "unknown key 'colour'"),
])
def test_a_wrong_value_is_named(key, value, reason):
    with pytest.raises(RegistrationError, match=reason):
        parse(text_of({**content(), key: value}))


@pytest.mark.parametrize('data', [
    b'', b'\x00', b'\xff\xfe\xfa', b'[' * 5000, b'a: &a [*a]', b'? [a]\n: b',
    b'!!python/object:os.x {}',
    b'2001-99-99', b'a: 0x' + b'f' * 9000, b'1' * 9000, b'x' * 200_000, b'%YAML 9.9\n---\na: 1',
    b'a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n'
    b'd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\nmatrix: [*d,*d,*d,*d,*d,*d,*d,*d]',
])
def test_what_is_no_registration_is_refused(data):
    with pytest.raises(RegistrationError):
        parse(data)


def test_very_long_numbers_are_refused_everywhere():
    for key in content():
        with pytest.raises(RegistrationError):
            parse(dump(GOOD).encode() + f'\n{key}: 0x{"f" * 9000}\n'.encode())


def test_every_refusal_names_the_file(tmp_path):
    (tmp_path / 'r.yaml').write_bytes(b'a: [')
    with pytest.raises(RegistrationError, match='r.yaml: no readable YAML'):
        read(tmp_path / 'r.yaml')
    for path in (tmp_path, tmp_path / 'r\0.yaml'):
        with pytest.raises(RegistrationError, match='cannot be read'):
            read(path)


SCALARS = (st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
           | st.dates() | st.datetimes() | st.binary(max_size=4))
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
    st.text(max_size=6) | st.integers(), inner, max_size=4), max_leaves=8)
SIZES = st.lists(st.integers(-5, 70000), min_size=2, max_size=2)
# Half-right files come farther into the reader than noise does.
CAMERAS = st.fixed_dictionaries({'camera': st.just('t'), 'size': SIZES | ANYTHING})
FILES = st.fixed_dictionaries({
    'schema': st.just(1) | ANYTHING,
    'thermal': CAMERAS | ANYTHING,
    'rgb': CAMERAS | ANYTHING,
    'matrix': st.lists(st.lists(st.floats(), min_size=3, max_size=3), min_size=3, max_size=3)
    | ANYTHING,
    'reprojection_error_px': st.floats(allow_nan=True) | ANYTHING,
    'points': st.integers(0, 10) | ANYTHING,
    'date': st.dates() | ANYTHING})


def check(data):
    """Either a homography that can be written and read again, or RegistrationError."""
    try:
        homography = parse(data)
    except RegistrationError as error:
        assert str(error) and len(str(error)) < 1000
        return
    assert same(parse(dump(homography).encode()), homography)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
@example(b'a: 0b1_1_')
@example(b'a: 1:99:99')
def test_noise_gives_a_registration_error(data):
    check(data)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(FILES)
def test_half_right_files_give_a_registration_error(content):
    check(text_of(content))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(dump(GOOD)) - 1), st.binary(min_size=0, max_size=3),
       st.integers(0, 40))
def test_a_damaged_file_gives_a_registration_error(place, inserted, removed):
    data = dump(GOOD).encode()
    check(data[:place] + inserted + data[place + removed:])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(-2e3, 2e3) | st.sampled_from([0.0, 1.0, -1.0, 1e-6]), min_size=9,
                max_size=9))
def test_any_matrix_is_registered_or_refused(numbers):
    small = {**content(), 'thermal': {'camera': '', 'size': [32, 24]},
             'rgb': {'camera': '', 'size': [40, 30]}}
    small['matrix'] = np.array(numbers).reshape(3, 3).tolist()
    try:
        homography = parse(text_of(small))
    except RegistrationError:
        return
    try:
        registered = registration(homography).apply(np.full((24, 32), 7, np.uint8), (30, 40))
    except RegistrationError:  # may still miss every pixel centre
        return
    assert registered.image.max() <= 7
