"""Overlay against the formula written out pixel by pixel."""

import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.color import overlay
from uaafusion_ros.imaging.color import palette_lut

PALETTE = np.array([[9, 9, 9], [255, 0, 0], [0, 200, 40]], np.uint8)


def images(shape=(13, 17), classes=3):
    rng = np.random.default_rng(0)
    fused = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    return fused, rng.integers(0, classes, shape, dtype=np.uint8)


@pytest.mark.parametrize('shape', [(13, 17), (1, 1), (4, 1), (1, 4)])
@pytest.mark.parametrize('alpha', [0.0, 0.3, 0.5, 1.0])
def test_overlay_blends_in_rgb_order_and_leaves_class_0(shape, alpha):
    fused, mask = images(shape)
    before = fused.copy()
    result = overlay(fused, mask, PALETTE, alpha)
    assert result.dtype == np.uint8 and result is not fused
    for y in range(shape[0]):
        for x in range(shape[1]):
            expected = fused[y, x].astype(float)
            if mask[y, x]:
                expected = (1 - alpha) * expected + alpha * PALETTE[mask[y, x]]
            assert np.abs(result[y, x] - expected).max() <= 0.51
    np.testing.assert_array_equal(fused, before)


def test_read_only_images_are_taken():
    fused, mask = images()
    expected = overlay(fused, mask, PALETTE)
    fused.flags.writeable = mask.flags.writeable = False
    np.testing.assert_array_equal(overlay(fused, mask, PALETTE), expected)


def test_class_without_a_colour_is_magenta():
    lut = palette_lut(PALETTE)
    assert lut.shape == (256, 3) and lut.dtype == np.uint8
    assert lut[:3].tolist() == PALETTE.tolist()
    assert (lut[3:] == (255, 0, 255)).all()
    np.testing.assert_array_equal(palette_lut(lut), lut)


def test_sizes_must_agree():
    fused, mask = images()
    with pytest.raises(RegistrationError, match=r'\(13, 16\) cannot be laid over'):
        overlay(fused, mask[:, :-1], PALETTE)
    with pytest.raises(RegistrationError, match='three channels'):
        overlay(fused[..., 0], mask, PALETTE)
