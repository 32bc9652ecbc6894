"""Large images keep their texture, colours and shape, whatever size the network worked in."""

import cv2
import numpy as np
import pytest

from uaafusion_ros.engine.working_size import carried
from uaafusion_ros.engine.working_size import shrunk
from uaafusion_ros.engine.working_size import working_size
from uaafusion_ros.imaging.buffers import message_data

VGA = (640, 480)


@pytest.mark.parametrize('image,works_in', [
    ((1024, 1280), (512, 640)), ((768, 1024), (480, 640)), ((1080, 1920), (480, 853)),
    ((1280, 1024), (640, 512)), ((2160, 3840), (480, 853)), ((480, 640), None),
    ((512, 640), None), ((575, 768), None), ((600, 800), (480, 640)), ((400, 4000), None),
    ((120, 160), None)])
def test_the_size_covers_what_is_asked_in_the_shape_of_the_image(image, works_in):
    """Upright images, too; what is hardly larger runs as it is."""
    assert working_size(*image, VGA) == works_in


@pytest.mark.parametrize('asked', [(0, 0), (0, 480), (640, 0)])
def test_a_zero_runs_every_image_as_it_is(asked):
    assert working_size(4000, 4000, asked) is None


@pytest.fixture
def pair():
    """Large gray scenes of their own with detail down to single pixels."""
    rng = np.random.default_rng(2)

    def scene():
        fine = rng.normal(0, 12, (192, 256))
        coarse = cv2.resize(rng.normal(0, 25, (12, 16)), (256, 192), interpolation=cv2.INTER_CUBIC)
        return np.rint((120 + fine + coarse).clip(30, 220)).astype(np.uint8)
    return cv2.merge((scene(),) * 3), scene()


def fuse(rgb, thermal, shares, rise=0.0):
    """Take the `shares` of thermal, a number or a map for images of any size, the rest of luma."""
    share = np.broadcast_to(shares(thermal.shape) if callable(shares) else shares, thermal.shape)
    change = share * (thermal.astype(float) - rgb.mean(2)) + rise
    return np.rint((rgb + change[..., None]).clip(0, 255)).astype(np.uint8)


def carry(rgb, thermal, shares, rise=0.0, size=(96, 128)):
    small = shrunk(rgb, size), shrunk(thermal, size)
    mask = np.zeros(size, np.uint8)
    return carried(rgb, thermal, *small, [fuse(*small, shares, rise), mask, mask])


@pytest.mark.parametrize('shares', [0.0, 0.3, 1.0])
@pytest.mark.parametrize('size', [(96, 128), (120, 160)])
def test_a_blend_of_the_small_images_is_that_blend_of_the_large_ones(pair, shares, size):
    fused = carry(*pair, shares, size=size)[0].astype(float)
    off = np.abs(fused - fuse(*pair, shares))
    assert off.mean() < 1 and np.percentile(off, 99) <= 4
    enlarged = cv2.resize(fuse(*(shrunk(image, size) for image in pair), shares), (256, 192))
    assert off.mean() < np.abs(enlarged.astype(float) - fuse(*pair, shares)).mean() / 5


def test_each_place_takes_its_detail_from_the_camera_that_was_chosen_there(pair):
    def left(shape):
        return np.arange(shape[1]) < shape[1] // 2

    fused = carry(*pair, left)[0][..., 0].astype(float)
    assert np.abs(fused - pair[1])[:, :118].mean() < 1
    assert np.abs(fused - pair[0][..., 0])[:, 138:].mean() < 1


def test_a_lift_of_a_target_stays_where_there_is_no_texture():
    rgb, thermal = np.full((128, 128, 3), 90, np.uint8), np.full((128, 128), 40, np.uint8)

    def lift(shape):
        return np.where(np.arange(shape[1]) < shape[1] // 2, 60.0, 0.0)

    small = shrunk(rgb, (64, 64)), shrunk(thermal, (64, 64))
    fused = np.rint(small[0] + lift((64, 64))[None, :, None]).astype(np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    got = carried(rgb, thermal, *small, [fused, mask, mask])[0]
    assert (got[:, :62] == 150).all() and (got[:, 66:] == 90).all()


def test_colours_stay_where_a_channel_is_saturated():
    """A lift of 60 that red cannot take reaches green and blue in full."""
    rgb = np.full((128, 128, 3), (240, 60, 80), np.uint8)
    thermal = np.full((128, 128), 100, np.uint8)
    assert (carry(rgb, thermal, 0.0, rise=60.0)[0] == (255, 120, 140)).all()


def test_both_cameras_alike_divide_by_nothing():
    rgb = np.zeros((128, 128, 3), np.uint8)
    rgb[::2] = 255
    assert (carry(rgb, rgb[..., 0], 0.5)[0] == rgb).mean() > 0.99


def test_mask_keeps_its_ids_and_confidence_its_range(pair):
    rng = np.random.default_rng(0)
    mask = np.kron(rng.choice([0, 3, 8], (12, 16)), np.ones((8, 8))).astype(np.uint8)
    confidence = np.full((96, 128), 200, np.uint8)
    small = [shrunk(image, (96, 128)) for image in pair]
    fused, large, sure = carried(*pair, *small, [small[0], mask, confidence])
    np.testing.assert_array_equal(large, mask.repeat(2, 0).repeat(2, 1))
    assert (sure == 200).all()
    for image in (fused, large, sure):
        assert np.shares_memory(np.frombuffer(message_data(image), np.uint8), image)
