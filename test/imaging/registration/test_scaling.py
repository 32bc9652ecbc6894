"""Cameras that share a view: equal sizes, or scaled, or both sizes are named."""

import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.registration import load
from uaafusion_ros.settings import RegistrationSettings


def ramp(height, width):
    """Brighter to the right, so that a shift or a mirroring shows."""
    return np.repeat(np.linspace(0, 255, width)[None], height, 0).astype(np.uint8)


@pytest.mark.parametrize('mode', ['resize', 'none'])
def test_equal_sizes_pass_untouched(mode):
    thermal = ramp(48, 64)
    registered = load(RegistrationSettings(mode=mode)).apply(thermal, (48, 64))
    assert registered.image is thermal
    assert registered.valid is None and registered.overlap is None


@pytest.mark.parametrize('size', [(96, 128), (24, 32), (480, 640)])
def test_scaling_keeps_every_place(size):
    scaled = load(RegistrationSettings()).apply(ramp(48, 64), size).image
    assert scaled.shape == size and scaled.dtype == np.uint8
    np.testing.assert_allclose(scaled.astype(int), ramp(*size), atol=4)


def test_none_wants_equal_sizes():
    with pytest.raises(RegistrationError, match='thermal is 64x48, rgb 128x96.*needs equal'):
        load(RegistrationSettings(mode='none')).apply(ramp(48, 64), (96, 128))


def test_other_aspect_ratios_cannot_be_scaled():
    with pytest.raises(RegistrationError, match='thermal is 640x512, rgb 640x480.*aspect'):
        load(RegistrationSettings()).apply(ramp(512, 640), (480, 640))
