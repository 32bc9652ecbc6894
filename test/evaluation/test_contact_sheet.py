"""The sheet shows the very pixels it was given, in their order."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from uaafusion_ros.evaluation.contact_sheet import contact_sheet
from uaafusion_ros.evaluation.contact_sheet import Key
from uaafusion_ros.evaluation.contact_sheet import Row
from uaafusion_ros.evaluation.contact_sheet import strip
from uaafusion_ros.evaluation.contact_sheet import write_film

GRAY = np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
TITLES = (('Thermal', 'what it is'), ('RGB', 'what it is'))


def places(sheet, image):
    """Return the (y, x) where an image lies in the sheet, pixel for pixel."""
    image = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    height, width = image.shape[:2]
    corners = np.argwhere((sheet == image[0, 0]).all(axis=2))
    return [
        (int(y), int(x)) for y, x in corners
        if np.array_equal(sheet[y:y + height, x:x + width], image)]


def test_images_stand_in_rows_and_columns_unchanged():
    sheet = contact_sheet('Title', TITLES, [Row((GRAY, COLOUR), 'a'), Row((COLOUR, GRAY), 'b')])
    (y0, x0), (y1, x1) = places(sheet, GRAY)
    (v0, u0), (v1, u1) = places(sheet, COLOUR)
    assert y0 == v0 < v1 == y1
    assert x0 == u1 < u0 == x1
    assert sheet.dtype == np.uint8


def test_legend_shows_its_colours():
    rows = [Row((GRAY, GRAY), '')]
    sheet = contact_sheet('', TITLES, rows, legend=[Key((255, 0, 7), 'person')])
    assert (sheet == (255, 0, 7)).all(axis=2).sum() >= 16 * 16
    assert not (contact_sheet('', TITLES, rows) == (255, 0, 7)).all(axis=2).any()


def test_a_caption_longer_than_the_sheet_stays_inside():
    rows = [Row((GRAY, GRAY), 'long ' * 60)]
    sheet = contact_sheet('', TITLES, rows)
    assert sheet.shape[1] == contact_sheet('', TITLES, [Row((GRAY, GRAY), '')]).shape[1]
    assert (sheet[:, -20:] == sheet[0, 0]).all()


@pytest.mark.parametrize('width', [63, 64])
def test_a_strip_has_even_sides_and_the_images_in_order(width):
    seen = strip([GRAY[:47, :width], COLOUR[:47, :width]], ['a', 'b'])
    assert seen.shape[0] % 2 == 0 and seen.shape[1] % 2 == 0
    (_, x0), = places(seen, GRAY[:47, :width])
    (_, x1), = places(seen, COLOUR[:47, :width])
    assert x0 < x1


def test_a_film_can_be_played_back_in_its_colours(tmp_path):
    frames = [np.full((48, 64, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200))]
    if not write_film(tmp_path / 'a.mp4', frames, 5.0):
        pytest.skip('this OpenCV has no MPEG-4 encoder')
    capture = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    for frame in frames:
        read, image = capture.read()
        assert read and np.abs(image[24, 32, ::-1].astype(int) - frame[24, 32]).max() < 20
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(5.0)


def test_no_frames_make_no_film(tmp_path):
    assert not write_film(tmp_path / 'a.mp4', [], 5.0)
