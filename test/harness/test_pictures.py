"""What simulated cameras show: a window that glides over stills, images that tell their age."""

from __future__ import annotations

import numpy as np
import pytest

from uaafusion_ros.errors import DatasetError
from uaafusion_ros.harness.pictures import frames
from uaafusion_ros.harness.pictures import hot_slot
from uaafusion_ros.harness.pictures import image_pairs
from uaafusion_ros.harness.pictures import load_stills
from uaafusion_ros.harness.pictures import look
from uaafusion_ros.harness.pictures import OUTPUT_SIZE
from uaafusion_ros.harness.pictures import pan
from uaafusion_ros.harness.pictures import SLOTS
from uaafusion_ros.harness.pictures import StillPair
from uaafusion_ros.harness.pictures import Window

SIZES = [(768, 576), (256, 256), (620, 450), (360, 270), (472, 371), (100, 900)]


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('count', [1, 2, 7, 40])
def test_windows_lie_inside_and_share_one_size(size, count):
    windows = pan(size, count)
    assert len(windows) == count
    for window in windows:
        assert window.x >= 0 and window.x + window.width <= size[0] + 1e-9
        assert window.y >= 0 and window.y + window.height <= size[1] + 1e-9
        assert (window.width, window.height) == (windows[0].width, windows[0].height)
        assert window.width / window.height == pytest.approx(OUTPUT_SIZE[0] / OUTPUT_SIZE[1])


def test_motion_eases_in_and_out():
    x = np.array([window.x for window in pan((620, 450), 41)])
    steps = np.diff(x)
    assert (steps > 0).all()
    assert steps[0] < 0.2 * steps.max() and steps[-1] < 0.2 * steps.max()
    assert np.abs(np.diff(steps)).max() < 0.15 * steps.max()


@pytest.mark.parametrize('size', SIZES)
def test_thermal_and_rgb_see_the_same_window(size):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, size[::-1], np.uint8)
    before = image.copy()
    for thermal, rgb in frames(StillPair('x', image, image), 3):
        assert thermal.shape == OUTPUT_SIZE[::-1] and thermal.dtype == np.uint8
        assert rgb.shape == (*OUTPUT_SIZE[::-1], 3) and rgb.flags.c_contiguous
        assert (rgb == thermal[..., None]).all()
    assert (image == before).all()


def test_look_returns_the_very_pixels_of_a_whole_window():
    image = np.random.default_rng(4).integers(0, 256, (60, 80), np.uint8)
    assert (look(image, Window(10, 20, 32, 24), (32, 24)) == image[20:44, 10:42]).all()


def test_look_keeps_positions_when_it_scales():
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (50, 1))
    for image in (ramp, ramp.T):
        seen = look(image, Window(10, 10, 20, 20), (40, 40)).astype(float)
        expected = 5 * (10 + (np.arange(40) + 0.5) * 0.5 - 0.5)
        error = (seen if image is ramp else seen.T) - expected
        assert np.abs(error).max() < 1 and abs(error.mean()) < 0.3


def test_frames_repeat_exactly():
    image = np.random.default_rng(5).integers(0, 256, (270, 360), np.uint8)
    first = list(frames(StillPair('x', image, image), 4))
    second = list(frames(StillPair('x', image, image), 4))
    assert all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(first, second))


def test_a_pair_of_two_sizes_is_refused():
    still = StillPair('02', np.zeros((10, 20), np.uint8), np.zeros((20, 10), np.uint8))
    with pytest.raises(DatasetError, match='02.*20x10.*10x20'):
        next(frames(still, 1))


def test_six_registered_pairs_ship():
    stills = load_stills()
    assert [still.name for still in stills] == ['02', '07', '11', '16', '20', '24']
    for still in stills:
        assert still.thermal.shape == still.rgb.shape
        assert (still.thermal != still.rgb).any()


def test_a_still_without_partner_is_named(tmp_path):
    (tmp_path / 'rgb').mkdir()
    (tmp_path / 'rgb' / 'a.png').write_bytes(b'')
    with pytest.raises(DatasetError, match=r"rgb \['a'\], thermal \[\]"):
        load_stills(tmp_path)


@pytest.mark.parametrize('kind', ['scene', 'blocks', 'stills'])
def test_images_of_one_size_that_differ_from_those_before(kind):
    pairs = image_pairs(kind, 64, 48)
    assert {(heat.shape, rgb.shape, heat.dtype, rgb.dtype) for heat, rgb in pairs} == {
        ((48, 64), (48, 64, 3), np.dtype(np.uint8), np.dtype(np.uint8))}
    for (heat, rgb), (next_heat, next_rgb) in zip(pairs, pairs[1:] + pairs[:1]):
        assert (heat != next_heat).any() and (rgb != next_rgb).any()


def test_the_age_of_a_hot_block_is_read():
    pairs = image_pairs('blocks', 64, 48)
    assert len(pairs) == SLOTS
    fused = [np.maximum(rgb, heat[..., None]) for heat, rgb in pairs]
    assert [hot_slot(image) for image in fused] == list(range(SLOTS))
    assert hot_slot(pairs[0][1]) is None
