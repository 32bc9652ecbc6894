"""Cameras of CameraInfo: pixels to rays and back, for every distortion model."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import Camera

K = np.array([[300.0, 0, 162.3], [0, 310.0, 118.8], [0, 0, 1]])
P = np.column_stack([K, np.zeros(3)])
NONE = ('plumb_bob', (0.0,) * 5)
MODELS = [
    NONE, ('', ()), ('plumb_bob', (-0.32, 0.12, 0.001, -0.002, -0.02)),
    ('plumb_bob', (0.1, -0.05, 0.0, 0.001)),
    ('rational_polynomial', (0.5, -0.2, 0.001, 0.0, 0.01, 0.8, -0.1, 0.02)),
    ('equidistant', (-0.02, 0.004, -0.003, 0.001))]


def camera(model=NONE, rectified=False, r=np.eye(3), p=P, size=(320, 240)):
    return Camera(size, K, model[1], r, p, model[0], rectified)


def points(rays):
    return np.column_stack([rays.reshape(-1, 2), np.ones(rays.size // 2)])


@pytest.mark.parametrize('model', MODELS)
def test_rays_lead_back_to_their_pixels(model):
    for depth in (1.0, 7.5):
        found = camera(model).pixels(depth * points(camera(model).rays()))
        y, x = np.mgrid[:240, :320]
        assert np.abs(found - np.column_stack([x.ravel(), y.ravel()])).max() < 0.06


@pytest.mark.parametrize('model', MODELS[2:5])
def test_rays_are_those_of_opencv(model):
    pixels = np.array([[160.0, 120], [220, 90], [100, 150]])
    expected = cv2.undistortPoints(pixels[:, None], K, np.array(model[1])).reshape(-1, 2)
    rays = camera(model).rays()
    found = np.array([rays[int(y), int(x)] for x, y in pixels])
    assert np.abs(found - expected).max() < 2e-4


def test_fisheye_rays_follow_their_angle():
    rays = camera(('equidistant', (0.0,) * 4)).rays()
    angle = np.arctan(np.hypot(*rays[118, 300]))
    assert angle == pytest.approx(np.hypot((300 - 162.3) / 300, (118 - 118.8) / 310), abs=1e-3)


def test_rectified_images_follow_r_and_p():
    turn, _ = cv2.Rodrigues(np.array([0.02, -0.05, 0.01]))
    projection = np.array([[280.0, 0, 150, -33], [0, 280, 110, 0], [0, 0, 1, 0]])
    turned = camera(MODELS[2], True, turn, projection)
    rays = turned.rays()
    seen = points(rays) @ turn.T
    expected = seen @ projection[:, :3].T
    y, x = np.mgrid[:240, :320]
    pixels = np.column_stack([x.ravel(), y.ravel()])
    assert np.abs(expected[:, :2] / expected[:, 2:] - pixels).max() < 1e-9
    assert np.abs(turned.pixels(3 * points(rays)) - pixels).max() < 1e-9


def test_what_is_not_in_front_is_not_seen():
    for model in (NONE, MODELS[2], MODELS[5]):
        found = camera(model).pixels(np.array([[0.1, 0, -1], [0.1, 0, 0], [0, 0, 1]]))
        assert np.isnan(found[:2]).all() and found[2] == pytest.approx(K[:2, 2])


def test_a_distortion_that_folds_back_shows_no_outside():
    barrel = camera(('plumb_bob', (-0.4, 0.0, 0.0, 0.0, 0.0)))
    # At radius 1.5 the polynomial is back inside the image.
    assert abs(300 * 1.5 * (1 - 0.4 * 1.5**2)) < 160
    assert np.isnan(barrel.pixels(np.array([[1.5, 0, 1.0]]))).all()
    assert not np.isnan(barrel.pixels(np.array([[0.5, 0, 1.0]]))).any()


@pytest.mark.parametrize('change, reason', [
    ({'k': np.zeros(9)}, 'not calibrated'),
    ({'p': np.zeros(12), 'rectified': True}, 'not calibrated'),
    ({'k': np.full(9, np.nan)}, 'K of the camera'),
    ({'k': np.eye(2)}, 'K of the camera'),
    ({'r': np.ones((3, 3)), 'rectified': True}, 'no rotation'),
    ({'d': (0.1, 0.2), 'model': 'plumb_bob'}, "'plumb_bob' with 2 coefficients"),
    ({'d': (0.1,) * 5, 'model': 'thin_prism'}, "'thin_prism' with 5"),
    ({'d': (0.1, np.nan, 0, 0, 0)}, 'D of the camera'),
    ({'size': (0, 0)}, '0x0'),
])
def test_what_describes_no_camera_is_refused(change, reason):
    good = {'size': (320, 240), 'k': K, 'd': (0.0,) * 5, 'r': np.eye(3), 'p': P,
            'model': 'plumb_bob'}
    with pytest.raises(RegistrationError, match=reason):
        Camera(**{**good, **change})


def info(**change):
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    return SimpleNamespace(**{
        'width': 320, 'height': 240, 'k': K.ravel(), 'd': [0.1, 0, 0, 0, 0],
        'r': np.eye(3).ravel(), 'p': P.ravel(), 'distortion_model': 'plumb_bob', 'binning_x': 0,
        'binning_y': 1, 'roi': roi, **change})


def test_a_message_becomes_a_camera():
    found = Camera.from_info(info())
    assert found.size == (320, 240) and np.array_equal(found.k, K) and found.d[0] == 0.1
    part = SimpleNamespace(x_offset=0, y_offset=0, width=100, height=100)
    for change in ({'binning_x': 2}, {'roi': part}):
        with pytest.raises(RegistrationError, match='region of interest or binning'):
            Camera.from_info(info(**change))
