"""A homography moves every pixel where it says, and nothing else passes for one."""

import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.imaging.registration import Roi
from uaafusion_ros.imaging.registration.homography import found
from uaafusion_ros.imaging.registration.homography import Homography
from uaafusion_ros.imaging.registration.homography import project
from uaafusion_ros.imaging.registration.homography import registration
from uaafusion_ros.settings import RegistrationSettings


def homography(matrix, thermal=(64, 48), rgb=(64, 48)):
    return Homography(np.array(matrix, float), thermal, rgb, 0.0, 4, '2025-01-31')


def random_matrix(rng, thermal, rgb):
    """Return a matrix that fills most of the RGB image, a bit turned, tilted and moved."""
    angle, scale = rng.uniform(-0.1, 0.1), rng.uniform(0.8, 1.2) * rgb[0] / thermal[0]
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = np.array(rgb) / 2 - turn @ np.array(thermal) / 2 + rng.uniform(-0.1, 0.1) * 64
    matrix[2, :2] = rng.uniform(-0.1, 0.1, 2) / max(thermal)
    return matrix


def labels(rng, size):
    """Return areas of eight values around random centres, as a mask has."""
    width, height = size
    centres = rng.uniform(0, 1, (12, 2)) * (width, height)
    y, x = np.mgrid[:height, :width]
    nearest = np.argmin([(x - a)**2 + (y - b)**2 for a, b in centres], axis=0)
    return (nearest % 8 * 30 + 20).astype(np.uint8)


def near(image, reach=1):
    """Return, for every pixel, the set of values within `reach` pixels, as stacked images."""
    padded = np.pad(image, reach, mode='edge')
    height, width = image.shape
    return np.stack([padded[y:y + height, x:x + width]
                     for y in range(2 * reach + 1) for x in range(2 * reach + 1)])


@pytest.mark.parametrize('seed', range(8))
def test_the_identity_keeps_every_label_exactly(seed):
    rng = np.random.default_rng(seed)
    size = tuple(int(side) for side in rng.integers(17, 700, 2))
    image = labels(rng, size)
    registered = registration(homography(np.eye(3), size, size)).apply(image, image.shape)
    assert np.array_equal(registered.image, image)
    assert registered.valid is None and registered.overlap is None


@pytest.mark.parametrize('seed', range(8))
def test_there_and_back_labels_stay_within_a_pixel(seed):
    rng = np.random.default_rng(seed)
    thermal, rgb = (tuple(int(side) for side in rng.integers(60, 300, 2)) for _ in range(2))
    rgb = (max(rgb[0], thermal[0]), max(rgb[1], thermal[1]))  # nothing is lost by shrinking
    matrix = random_matrix(rng, thermal, rgb)
    image = labels(rng, thermal)
    there = registration(homography(matrix, thermal, rgb))
    back = registration(homography(np.linalg.inv(matrix), rgb, thermal))
    stayed = True
    for value in np.unique(image):
        area = np.where(image == value, 255, 0).astype(np.uint8)
        moved = there.apply(area, rgb[::-1])
        again = back.apply(np.where(moved.image > 127, 255, 0).astype(np.uint8), thermal[::-1])
        seen = moved.valid if moved.valid is not None else np.full(rgb[::-1], 255, np.uint8)
        whole = back.apply(np.where(seen > 0, 255, 0).astype(np.uint8), thermal[::-1])
        inside = near(whole.image).min(axis=0) == 255
        wrong = (again.image > 127) != (area > 0)
        stayed &= not (wrong & inside & (near(area).min(axis=0) == near(area).max(axis=0))).any()
        assert inside.mean() > 0.3
    assert stayed


@pytest.mark.parametrize('seed', range(8))
def test_a_spot_lands_where_the_matrix_says(seed):
    rng = np.random.default_rng(seed)
    thermal, rgb = (160, 120), (320, 256)
    matrix = random_matrix(rng, thermal, rgb)
    place = rng.uniform(60, 70, 2)
    y, x = np.mgrid[:thermal[1], :thermal[0]]
    spot = 250 * np.exp(-((x - place[0])**2 + (y - place[1])**2) / 8)
    image = registration(homography(matrix, thermal, rgb)).apply(
        spot.astype(np.uint8), rgb[::-1]).image.astype(float)
    y, x = np.mgrid[:rgb[1], :rgb[0]]
    found = np.array([(image * x).sum(), (image * y).sum()]) / image.sum()
    assert np.abs(found - project(matrix, place[None])[0]).max() < 0.25


def test_the_view_and_its_box_are_known():
    matrix = [[1, 0, 20], [0, 1, 30], [0, 0, 1]]
    thermal = np.full((48, 64), 200, np.uint8)
    registered = registration(homography(matrix, rgb=(128, 96))).apply(thermal, (96, 128))
    assert registered.overlap == Roi(20, 30, 64, 48)
    expected = np.zeros((96, 128), bool)
    expected[30:78, 20:84] = True
    assert np.array_equal(registered.valid > 0, expected)
    assert np.array_equal(registered.image, np.where(expected, 200, 0))
    assert registered.valid[54, 52] == 255 and registered.valid[30, 52] < 100
    with pytest.raises(ValueError):
        registered.valid[0, 0] = 1


@pytest.mark.parametrize('sizes', [
    ((48, 63), (48, 64)), ((48, 64), (96, 128)), ((64, 48), (48, 64))])
def test_other_sizes_are_refused_by_name(sizes):
    thermal, rgb = sizes
    with pytest.raises(RegistrationError, match=f'thermal is {thermal[1]}x{thermal[0]}, rgb '
                       f'{rgb[1]}x{rgb[0]}.* made for thermal 64x48 and rgb 64x48'):
        registration(homography(np.eye(3))).apply(np.zeros(thermal, np.uint8), rgb)


@pytest.mark.parametrize('matrix, reason', [
    (np.zeros((3, 3)), 'singular'),
    ([[1, 0, 0], [1, 0, 0], [0, 0, 1]], 'singular'),
    (np.diag([1e-9, 1, 1]), 'singular'),
    (np.diag([-1, 1, 1]) + [[0, 0, 63], [0, 0, 0], [0, 0, 0]], 'mirrors'),
    (np.diag([1, 1, -1]), 'beside'),
    ([[1, 0, 0], [0, 1, 0], [-0.05, 0, 1]], 'behind'),
    ([[1, 0, 500], [0, 1, 0], [0, 0, 1]], 'beside'),
    ([[1, 0, 0], [0, np.nan, 0], [0, 0, 1]], 'finite'),
    ([[1, 0, 0], [0, 1, 0]], '3 rows'),
])
def test_a_matrix_that_registers_nothing_is_refused(matrix, reason):
    with pytest.raises(RegistrationError, match=reason):
        homography(matrix)


def test_a_matrix_may_come_in_any_scale():
    assert np.array_equal(homography(-3 * np.eye(3)).matrix, np.eye(3))


@pytest.mark.parametrize('size', [(0, 48), (64, 99999), (16000, 16000), (1, 1)])
def test_sizes_that_no_camera_has_are_refused(size):
    with pytest.raises(RegistrationError, match='size is'):
        homography(np.eye(3), size)


def test_what_is_missing_is_named(tmp_path):
    for mode, needed in (('homography', 'needs a file'), ('plane', 'waits for the calibration')):
        with pytest.raises(RegistrationError, match=needed):
            load(RegistrationSettings(mode=mode))
    with pytest.raises(RegistrationError, match='nowhere.yaml cannot be read'):
        load(RegistrationSettings(mode='homography', file=str(tmp_path / 'nowhere.yaml')))


def test_what_was_found_serves_its_sizes_and_others_are_scaled():
    """Also such whose aspect ratios differ, which mode resize refuses."""
    shifted = found(homography([[1, 0, 10], [0, 1, 0], [0, 0, 1]]))
    thermal = np.full((48, 64), 200, np.uint8)
    assert shifted.apply(thermal, (48, 64)).overlap == Roi(10, 0, 54, 48)
    for registration_, size in ((shifted, (60, 64)), (found(None), (48, 60))):
        registered = registration_.apply(thermal, size)
        assert registered.image.shape == size and registered.valid is None
