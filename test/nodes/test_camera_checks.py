"""The node names thermal that is not thermal once, refuses exchanged cameras, and looks rarely."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.frames import Frame
from uaafusion_ros.imaging import thermal_checks
from uaafusion_ros.imaging.compressed import inspect
from uaafusion_ros.nodes import camera_checks
from uaafusion_ros.nodes.camera_checks import CameraChecks
from uaafusion_ros.nodes.throttled_log import ThrottledLogger

RNG = np.random.default_rng(0)
SCENE = cv2.GaussianBlur(RNG.integers(0, 65536, (48, 64), np.uint16), (0, 0), 5)
COUNTS = 7000 + SCENE // 8
COLOURS = cv2.applyColorMap((SCENE >> 8).astype(np.uint8), cv2.COLORMAP_JET)


@pytest.fixture
def said():
    return []


@pytest.fixture
def checks(said):
    return CameraChecks(ThrottledLogger(SimpleNamespace(warning=said.append), period_s=0.0))


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(camera_checks.time, 'monotonic', lambda: clock.now)
    return clock


def frame(array, encoding='mono16'):
    return Frame(array, 0, 'camera', encoding)


def telemetry():
    image = COUNTS.copy()
    image[-2:] = RNG.integers(0, 65536, (2, 64))
    return image


def packed(array, container, source):
    data = cv2.imencode(f'.{container[:3] if container == "png" else "jpg"}', array)[1]
    found = inspect(data, f'{source}; {container} compressed ')
    return Frame(data.reshape(1, -1), 0, 'camera', found.encoding)


@pytest.mark.parametrize('thermal, remedy', [
    (frame(COUNTS.byteswap()), 'is_bigendian'), (frame(telemetry()), 'telemetry off'),
    (frame(COUNTS >> 8), 'raw counts'), (frame((COUNTS << 2) | 0x8000), 'thermal.gain'),
    (packed(telemetry(), 'png', 'mono16'), 'telemetry off'),
    (packed((COUNTS >> 8).astype(np.uint8), 'jpeg', 'mono16'), 'png')])
def test_each_kind_is_named_once_with_its_remedy(thermal, remedy, checks, said, clock):
    for _ in range(5):
        checks.check('thermal', thermal, False)
        clock.now += 100.0
    assert len(said) == 1 and remedy in said[0]
    assert checks.findings == tuple(said)


def test_ordinary_cameras_are_left_in_peace(checks, said):
    checks.check('thermal', frame(COUNTS), False)
    checks.check('thermal', frame(cv2.merge(((SCENE >> 8).astype(np.uint8),) * 3), 'rgb8'), False)
    checks.check('rgb', frame(COLOURS, 'bgr8'), False)
    checks.check('rgb', frame((SCENE >> 8).astype(np.uint8), 'mono8'), False)
    assert not said and not checks.findings


@pytest.mark.parametrize('camera, wrong, right', [
    ('thermal', frame(COLOURS, 'bgr8'), frame(COUNTS)),
    ('thermal', packed(COLOURS, 'jpeg', 'bgr8'), frame(COUNTS)),
    ('rgb', frame(COUNTS), frame(COLOURS, 'bgr8'))])
def test_exchanged_cameras_are_refused_until_mended_or_forced(camera, wrong, right, checks):
    for _ in range(3):
        with pytest.raises(EncodingError, match='remap .* input.force_roles'):
            checks.check(camera, wrong, False)
    checks.check(camera, wrong, True)
    checks.check(camera, right, False)


def test_few_of_many_images_are_looked_at(checks, clock, monkeypatch):
    looked, examine = [], thermal_checks.examine
    monkeypatch.setattr(
        thermal_checks, 'examine', lambda array: looked.append(1) or examine(array))
    for _ in range(36_000):  # ten minutes
        checks.check('thermal', frame(COUNTS), False)
        clock.now += 1 / 60
    assert 10 <= len(looked) <= 20


def test_a_camera_that_was_mended_is_no_longer_complained_of(checks, clock):
    checks.check('thermal', frame(telemetry()), False)
    clock.now += 1.5
    checks.check('thermal', frame(COUNTS), False)
    assert not checks.findings
