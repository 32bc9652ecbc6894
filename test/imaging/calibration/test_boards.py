"""Boards are found in both images, warm or cold, and give back the homography between them."""

from boards_seen import checkerboard
from boards_seen import circles
from boards_seen import errors
from boards_seen import mapping
from boards_seen import views
import numpy as np
import pytest

from uaafusion_ros.imaging.calibration import boards
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.calibration.fitting import fit

RGB = (640, 480)


@pytest.mark.parametrize('pattern, shape, thermal_size, seed', [
    ('checkerboard', (9, 6), (640, 512), 0), ('checkerboard', (8, 5), (320, 240), 1),
    ('checkerboard', (6, 6), (320, 256), 2), ('circles', (7, 5), (640, 480), 3)])
def test_eight_views_give_the_homography(pattern, shape, thermal_size, seed):
    truth = mapping(thermal_size, RGB, seed)
    board = (checkerboard if pattern == 'checkerboard' else circles)(*shape)
    seen = views(board, truth, thermal_size, RGB, 8, seed)
    matches = [match for view in seen if (match := boards.match(view, pattern, shape))]
    assert len(matches) >= 7
    found = fit(matches)
    centre, corner = errors(found.matrix, truth, thermal_size)
    assert centre < 0.25 and corner < 1.5
    assert found.error_px < 0.5 and not any(report.left_out for report in found.views)
    assert found.points > 0.9 * len(matches) * shape[0] * shape[1]


def test_no_board_is_no_match():
    view = View('a', *np.random.default_rng(0).integers(0, 256, (2, 120, 160)).astype(np.uint8))
    for pattern in boards.PATTERNS:
        assert boards.match(view, pattern, (9, 6)) is None
