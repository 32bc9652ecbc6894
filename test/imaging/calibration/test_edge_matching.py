"""Real pairs, moved by a known homography, are matched without a board."""

from boards_seen import errors
from boards_seen import mapping
import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.harness.pictures import load_stills
from uaafusion_ros.imaging.calibration import edge_matching
from uaafusion_ros.imaging.calibration.contract import View

RGB = (640, 480)


@pytest.fixture(scope='module')
def registered():
    """Return the shipped pairs, all at one size, which keeps them registered."""
    return [View(still.name, *(cv2.resize(image, RGB, interpolation=cv2.INTER_AREA)
                               for image in (still.thermal, still.rgb)))
            for still in load_stills()]


@pytest.fixture(scope='module')
def as_shipped(registered):
    """Return what is found where nothing was moved: the pairs' own misalignment."""
    return edge_matching.match(registered)


def moved(view, truth, size):
    thermal = cv2.GaussianBlur(view.thermal, (0, 0), 0.4 * max(1, RGB[0] / size[0]))
    return View(view.name, cv2.warpPerspective(
        thermal, np.linalg.inv(truth), size, flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE), view.luma)


@pytest.mark.slow
def test_pairs_as_shipped_are_where_they_should_be(as_shipped):
    centre, corner = errors(as_shipped.matrix, np.eye(3), RGB)
    assert centre < 1.5 and corner < 3.0
    assert as_shipped.points > 50 and as_shipped.error_px < 2
    assert sum(not report.left_out for report in as_shipped.views) >= 4


@pytest.mark.slow
@pytest.mark.parametrize('size, seed', [((640, 512), 0), ((320, 240), 1)])
def test_a_known_homography_is_found(registered, as_shipped, size, seed):
    truth = mapping(size, RGB, seed)
    found = edge_matching.match([moved(view, truth, size) for view in registered])
    centre, corner = errors(found.matrix, as_shipped.matrix @ truth, size)
    assert centre < 1.0 and corner < 2.0
    # Against the pairs as published, their own misalignment adds to it.
    assert errors(found.matrix, truth, size)[0] < 1.5


@pytest.mark.slow
def test_a_view_that_contradicts_the_others_is_left_out(registered):
    shifted = View('shifted', np.roll(registered[1].thermal, 25, axis=1), registered[1].luma)
    found = edge_matching.match([*registered, shifted])
    assert found.views[-1].left_out.startswith('its edges agree better elsewhere')
    assert errors(found.matrix, np.eye(3), RGB)[0] < 1.5


@pytest.mark.slow
def test_images_that_share_nothing_are_refused():
    rng = np.random.default_rng(0)
    flat = np.full((240, 320), 90, np.uint8)
    noise = [View(str(i), *rng.integers(0, 256, (2, 240, 320)).astype(np.uint8))
             for i in range(2)]
    for views in ([View('flat', flat, flat)], noise):
        with pytest.raises(RegistrationError, match='share too few edges'):
            edge_matching.match(views)


def test_views_of_several_sizes_are_refused():
    small, large = np.zeros((48, 64), np.uint8), np.zeros((96, 128), np.uint8)
    with pytest.raises(RegistrationError, match='2 different sizes'):
        edge_matching.match([View('a', small, small), View('b', small, large)])
    with pytest.raises(RegistrationError, match='no view'):
        edge_matching.match([])
