"""A registration found in whatever both cameras see is believed only where it is right."""

from boards_seen import errors
from boards_seen import mapping
import cv2
import numpy as np
import pytest

from uaafusion_ros.imaging.calibration.automatic import register
from uaafusion_ros.imaging.calibration.contract import View

RGB = (480, 360)


def moved(view, truth, size=RGB):
    return View(view.name, cv2.warpPerspective(
        view.thermal, np.linalg.inv(truth), size, borderMode=cv2.BORDER_REPLICATE), view.luma)


@pytest.mark.slow
def test_a_moved_camera_is_found_and_confirmed(scene):
    truth = mapping(RGB, RGB, 2)
    verdict = register([moved(view, truth) for view in scene])
    assert verdict.sure, verdict.reason
    centre, corner = errors(verdict.fit.matrix, truth, RGB)
    assert centre < 1.5 and corner < 4.0
    assert verdict.uncertainty_px < 2.25


@pytest.mark.slow
def test_a_blank_scene_makes_nobody_sure():
    rng = np.random.default_rng(0)
    views = [View(str(i), *(90 + rng.normal(0, 4, (2, 240, 320))).clip(0, 255).astype(np.uint8))
             for i in range(18)]
    verdict = register(views)
    assert not verdict.sure and verdict.reason


@pytest.mark.slow
def test_images_of_different_moments_make_nobody_sure(scene):
    others = [View(view.name, view.thermal, scene[(i + 7) % len(scene)].luma)
              for i, view in enumerate(scene)]
    assert not register(others).sure


def test_few_views_make_nobody_sure(scene):
    assert '5 views are too few' in register(scene[:5]).reason
