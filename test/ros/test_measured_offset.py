"""A node that is asked to finds the delay between two cameras' stamps, and pairs by it."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from robot import until
from source import Source

from uaafusion_ros.nodes.messages import image_from_array

pytestmark = pytest.mark.ros

DELAY_S = 0.12
RATE_HZ = 20
SPEED = 2  # stamps run so much faster than the clock, to be done sooner
LONGEST_S = 60


def test_a_delay_of_the_thermal_stamps_is_found_and_pairs_come(robot):
    """Both cameras sweep over one scene, by fits and starts; the thermal one stamps late."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (48, 600)).astype(np.float32), (0, 0), 3)
    texture = cv2.normalize(texture, None, 30, 220, cv2.NORM_MINMAX)
    clock = np.arange(0, LONGEST_S * SPEED, 0.01)
    speed = np.convolve(rng.normal(0, 1, len(clock)), np.hanning(40), 'same')
    place = 250 + 100 * np.sin(np.cumsum(speed) * 0.01)
    robot.active(sync__estimate_offset=True)
    source = Source(robot.listener)
    assert source.matched()
    begin_s = time.time() - LONGEST_S * SPEED
    began = time.monotonic()

    def send(number: int) -> None:
        at = number / RATE_HZ
        x = int(np.interp(at, clock, place))
        image = (texture[:, x:x + 64] + rng.normal(0, 1, (48, 64))).astype(np.uint8)
        for camera, late_s in (('rgb', 0.0), ('thermal', DELAY_S)):
            pixels = image if camera == 'thermal' else np.repeat(image[..., None], 3, axis=2)
            source.publish(camera, image_from_array(
                pixels, 'mono8' if camera == 'thermal' else 'rgb8',
                round((begin_s + at + late_s) * 1e9), f'{camera}_optical'))
        time.sleep(max(0.0, began + at / SPEED - time.monotonic()))

    numbers = iter(range(LONGEST_S * SPEED * RATE_HZ))
    before = 0.0
    for number in numbers:
        send(number)
        before = float(robot.listener.values().get('thermal_offset_ms', 0))
        if before:
            break
    assert abs(before + 1e3 * DELAY_S) < 15
    paired = int(robot.listener.values()['paired'])
    for _, number in zip(range(3 * RATE_HZ), numbers):
        send(number)
    assert until(lambda: int(robot.listener.values()['paired']) > paired + RATE_HZ)
    assert robot.listener.values()['thermal_offset_state'].startswith('motion in both cameras')
    assert float(robot.listener.values()['skew_ms.p50']) < 15
