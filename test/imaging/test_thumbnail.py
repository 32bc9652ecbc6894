"""Small gray images show where an image of any layout changed."""

import cv2
import numpy as np
import pytest

from uaafusion_ros.imaging.thumbnail import thumbnail

GRAY = np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)


def moved(image):
    """Return a copy whose upper left quarter is bright."""
    image = image.copy()
    image[:len(image) // 2, :image.shape[1] // 2] = 255
    return image


def packed(suffix):
    return lambda image: cv2.imencode(suffix, image)[1].reshape(1, -1)


@pytest.mark.parametrize('encoding, made', [
    ('mono8', lambda image: image), ('bayer_rggb8', lambda image: image),
    ('rgb8', lambda image: np.repeat(image[..., None], 3, axis=2)),
    ('yuv422', lambda image: np.stack([np.full_like(image, 128), image], axis=2)),
    ('mono16', lambda image: (29_000 + 10 * image.astype(np.uint16)).astype('>u2')),
    ('32FC1', lambda image: np.where(np.arange(320) == 7, np.nan, image.astype(np.float32))),
    ('jpeg', packed('.jpg')), ('png', packed('.png'))])
def test_a_change_shows_where_it_is_and_nowhere_else(encoding, made):
    before, after = (thumbnail(made(image), encoding) for image in (GRAY, moved(GRAY)))
    assert before.shape == (48, 64) and np.isfinite(before).all()
    change = after - before
    assert change[:22, 8:30].mean() > 0
    assert np.abs(change[26:, 34:]).max() < 0.2 * change[:22, 8:30].mean()


def test_what_cannot_be_decoded_gives_none():
    for encoding, suffix in (('jpeg', '.jpg'), ('png', '.png')):
        assert thumbnail(packed(suffix)(GRAY)[:, :40], encoding) is None


def test_images_smaller_than_it_are_taken():
    assert thumbnail(GRAY[:12, :16], 'mono8').shape == (48, 64)
