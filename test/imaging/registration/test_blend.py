"""Outside the thermal view RGB passes, inside the fused image, without a seam between."""

import time

import numpy as np

from uaafusion_ros.imaging.registration import EDGE_PIXELS
from uaafusion_ros.imaging.registration import pass_through
from uaafusion_ros.imaging.registration.blend import soft_edged


def seen(height=120, width=160):
    area = np.zeros((height, width), bool)
    area[30:, 40:120] = True  # reaches the lower border
    return area


def test_each_side_keeps_its_own_values_exactly():
    rng = np.random.default_rng(0)
    fused, rgb = rng.integers(0, 256, (2, 120, 160, 3)).astype(np.uint8)
    valid = soft_edged(seen())
    mixed = pass_through(fused, rgb, valid)
    assert np.array_equal(mixed[valid == 255], fused[valid == 255])
    assert np.array_equal(mixed[valid == 0], rgb[valid == 0])
    low, high = np.minimum(fused, rgb).astype(int) - 1, np.maximum(fused, rgb).astype(int) + 1
    assert ((mixed >= low) & (mixed <= high)).all()


def test_the_ramp_has_no_hard_step():
    valid = soft_edged(seen())
    mixed = pass_through(np.full((120, 160, 3), 255, np.uint8), np.zeros((120, 160, 3), np.uint8),
                         valid)[80, :, 0].astype(int)
    assert np.abs(np.diff(mixed)).max() <= 255 / EDGE_PIXELS + 8
    assert mixed[39] == 0 and mixed[40] > 0 and mixed[40 + EDGE_PIXELS] == 255
    assert (np.diff(mixed[30:80]) >= 0).all()


def test_the_border_of_the_image_is_no_seam():
    valid = soft_edged(seen())
    assert (valid[-1, 60:100] == 255).all()
    assert (soft_edged(np.ones((5, 7), bool)) == 255).all()


def test_it_takes_little_time():
    rng = np.random.default_rng(0)
    fused, rgb = rng.integers(0, 256, (2, 480, 640, 3)).astype(np.uint8)
    valid = soft_edged(np.pad(np.ones((400, 540), bool), ((40, 40), (50, 50))))
    took = []
    for _ in range(30):
        began = time.perf_counter()
        pass_through(fused, rgb, valid)
        took.append(time.perf_counter() - began)
    assert min(took) < 3e-3  # below 0.5 ms on a free core
