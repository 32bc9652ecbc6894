"""Two calibrated cameras agree at the distance that was asked for."""

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import Camera
from uaafusion_ros.imaging.registration.homography import Homography
from uaafusion_ros.imaging.registration.homography import registration as by_homography
from uaafusion_ros.imaging.registration.plane import registration as by_plane
from uaafusion_ros.settings import RegistrationSettings

THERMAL_K = np.array([[190.0, 0, 79.5], [0, 190, 59.5], [0, 0, 1]])
RGB_K = np.array([[330.0, 0, 165], [0, 330, 118], [0, 0, 1]])
BARREL = (-0.25, 0.06, 0.0, 0.0, 0.0)
ANGLE = np.radians(2.0)  # about y
TRANSLATION = (0.1, -0.02, 0.01)
ROTATION = np.array(
    [[np.cos(ANGLE), 0, np.sin(ANGLE)], [0, 1, 0], [-np.sin(ANGLE), 0, np.cos(ANGLE)]])
BESIDE = {'translation_m': TRANSLATION,
          'rotation': (0.0, np.sin(ANGLE / 2), 0.0, np.cos(ANGLE / 2))}


def camera(k, size, d=()):
    return Camera(size, k, d, np.eye(3), np.column_stack([k, np.zeros(3)]), 'plumb_bob')


def plane(d=((), ()), **extrinsics):
    """Return the registration of two cameras beside one another for what is 4 m away."""
    return by_plane(
        RegistrationSettings(plane_distance_m=4.0, **{**BESIDE, **extrinsics}),
        camera(THERMAL_K, (160, 120), d[0]), camera(RGB_K, (320, 240), d[1]))


def spot(place, size):
    y, x = np.mgrid[:size[1], :size[0]]
    return (250 * np.exp(-((x - place[0])**2 + (y - place[1])**2) / 8)).astype(np.uint8)


def found(image):
    y, x = np.mgrid[:image.shape[0], :image.shape[1]]
    image = image.astype(float)
    return np.array([(image * x).sum(), (image * y).sum()]) / image.sum()


def seen_at(k, d, point):
    pixel, _ = cv2.projectPoints(np.array([[point]]), np.zeros(3), np.zeros(3), k, np.array(d))
    return pixel.ravel()


@pytest.mark.parametrize('d', [((), ()), (BARREL, ()), ((), BARREL), (BARREL, (0.1, -0.02, 0, 0))])
def test_a_thing_at_the_distance_lands_on_itself(d):
    registration = plane(d)
    for point in ((0.3, 0.2, 4.0), (-0.5, -0.4, 4.0), (0.0, 0.0, 4.0)):
        in_thermal = ROTATION.T @ (np.array(point) - TRANSLATION)
        thermal = spot(seen_at(THERMAL_K, d[0] or np.zeros(5), in_thermal), (160, 120))
        image = registration.apply(thermal, (240, 320)).image
        assert np.abs(found(image) - seen_at(RGB_K, d[1] or np.zeros(5), point)).max() < 0.3


def test_without_distortion_it_is_the_homography_of_the_plane():
    # Thermal from RGB for the plane z = 4 of the RGB camera.
    back = THERMAL_K @ ROTATION.T @ (
        np.eye(3) - np.outer(TRANSLATION, (0, 0, 1)) / 4.0) @ np.linalg.inv(RGB_K)
    expected = by_homography(Homography(
        np.linalg.inv(back), (160, 120), (320, 240), 0.0, 4, '2025-01-31'))
    image = np.random.default_rng(0).integers(0, 256, (120, 160)).astype(np.uint8)
    a, b = (r.apply(image, (240, 320)) for r in (plane(), expected))
    assert np.abs(a.image.astype(int) - b.image).max() <= 1
    assert a.overlap == b.overlap and np.array_equal(a.valid, b.valid)


def test_nearer_things_are_displaced_by_parallax():
    registration = plane()
    point = np.array((0.0, 0.0, 2.0))
    in_thermal = ROTATION.T @ (point - TRANSLATION)
    image = registration.apply(
        spot(seen_at(THERMAL_K, np.zeros(5), in_thermal), (160, 120)), (240, 320)).image
    displaced = found(image) - seen_at(RGB_K, np.zeros(5), point)
    assert np.abs(displaced[0]) == pytest.approx(330 * 0.1 * abs(1 / 2 - 1 / 4), rel=0.15)


def test_a_camera_that_looks_away_is_refused():
    with pytest.raises(RegistrationError, match='lays no pixel'):
        plane(translation_m=(0.0, 0.0, 0.0), rotation=(0.0, 1.0, 0.0, 0.0))
