"""The drift score rises when the thermal camera moved, on real pairs, and not otherwise."""

import math
import time

import cv2
import numpy as np
import pytest

from uaafusion_ros.harness.pictures import load_stills
from uaafusion_ros.imaging.registration.drift import DriftMonitor

SIZE = (640, 480)


@pytest.fixture(scope='module')
def pairs():
    return [tuple(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)
                  for image in (still.thermal, still.rgb)) for still in load_stills()]


def moved(image, x, y):
    return cv2.warpAffine(image, np.float32([[1, 0, x], [0, 1, y]]), SIZE,
                          borderMode=cv2.BORDER_REPLICATE)


def drift(pairs, x=0, y=0, valid=None):
    monitor = DriftMonitor()
    for thermal, luma in pairs:
        last = monitor.update(moved(thermal, x, y), luma, valid)
    return last


def test_registered_pairs_score_low(pairs):
    found = drift(pairs)
    assert found.pairs == len(pairs)
    assert found.score < 0.08
    assert math.hypot(*found.offset_px) < 2.5


@pytest.mark.parametrize('direction', range(8))
def test_a_shift_of_four_pixels_shows(pairs, direction):
    x, y = 4 * math.cos(direction * math.pi / 4), 4 * math.sin(direction * math.pi / 4)
    found = drift(pairs, x, y)
    assert found.score > 0.12
    # The move that would mend it, within the pairs' own misalignment.
    assert math.hypot(found.offset_px[0] + x, found.offset_px[1] + y) < 2.5


def test_the_score_grows_with_the_shift(pairs):
    scores = [drift(pairs, x=shift).score for shift in (0, 4, 6, 8, 12)]
    assert scores == sorted(scores) and scores[-1] > 0.6


def test_what_lies_outside_the_view_does_not_count(pairs):
    valid = np.zeros(SIZE[::-1], np.uint8)
    valid[60:420, 80:560] = 255
    cut = [(np.where(valid > 0, thermal, 0).astype(np.uint8), luma) for thermal, luma in pairs]
    assert drift(cut, valid=valid).score < 0.08


def test_images_without_edges_say_nothing(pairs):
    flat = np.full(SIZE[::-1], 90, np.uint8)
    monitor = DriftMonitor()
    nothing = monitor.update(flat, pairs[0][1])
    assert nothing.pairs == 0 and math.isnan(nothing.score)
    before = monitor.update(*pairs[1])
    assert monitor.update(flat, flat) == before
    monitor.reset()
    assert monitor.update(flat, flat).pairs == 0


@pytest.mark.parametrize('size', [(9, 7), (40, 300), (1280, 1024)])
def test_any_size_is_taken(size):
    image = np.random.default_rng(0).integers(0, 256, size[::-1]).astype(np.uint8)
    DriftMonitor().update(image, image)


def test_it_takes_little_time(pairs):
    monitor = DriftMonitor()
    took = []
    for _ in range(10):
        began = time.perf_counter()
        monitor.update(*pairs[0])
        took.append(time.perf_counter() - began)
    assert min(took) < 20e-3  # about 3 ms on a free core
