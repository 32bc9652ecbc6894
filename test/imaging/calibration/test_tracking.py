"""A registration is found while cameras run, kept until a better one, and followed."""

from boards_seen import mapping
import cv2
import numpy as np
import pytest

from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.calibration.tracking import State
from uaafusion_ros.imaging.calibration.tracking import Tracker
from uaafusion_ros.imaging.registration.homography import project

SIZE = (480, 360)
PERIOD_NS = 500_000_000


def seen(view, truth):
    """Return the view of cameras that are mounted by `truth`."""
    return View('', cv2.warpPerspective(view.thermal, np.linalg.inv(truth), SIZE,
                                        borderMode=cv2.BORDER_REPLICATE), view.luma)


def shown(tracker, views, count, begin=0):
    """Show so many views, a period apart; return every status."""
    return [tracker.take(views[i % len(views)], i * PERIOD_NS)
            for i in range(begin, begin + count)]


def off(matrix, truth):
    """Return the median error in pixels; the pairs themselves are off by up to 2 in a corner."""
    x, y = np.meshgrid(np.linspace(0, SIZE[0] - 1, 5), np.linspace(0, SIZE[1] - 1, 5))
    places = np.stack([x, y], axis=-1).reshape(-1, 2)
    return np.median(np.hypot(*(project(matrix, places) - project(truth, places)).T))


@pytest.mark.slow
def test_it_is_found_in_a_moving_scene_and_said_to_be_sure(scene):
    truth = mapping(SIZE, SIZE, 2)
    statuses = shown(Tracker(), [seen(view, truth) for view in scene], 360)
    first = next(i for i, status in enumerate(statuses) if status.state is State.SURE)
    assert all(status.matrix is None for status in statuses[:first])
    assert off(statuses[first].matrix, truth) < 1.5 and statuses[first].uncertainty_px < 4
    assert off(statuses[-1].matrix, truth) < 1.5


def test_a_bumped_mount_is_followed_and_the_last_registration_stays_until_then(scene):
    truth = mapping(SIZE, SIZE, 2)
    pushed = np.array([[1, 0, 6.0], [0, 1, 4.5], [0, 0, 1]]) @ truth
    tracker = Tracker(truth, SIZE, SIZE)
    before = shown(tracker, [seen(view, truth) for view in scene], 10)
    assert {status.state for status in before} == {State.SURE}
    after = shown(tracker, [seen(view, pushed) for view in scene], 80, 10)
    lost = next(i for i, status in enumerate(after) if status.state is State.LOST)
    assert lost < 8 and 'moved' in after[lost].reason
    found = next(i for i, status in enumerate(after) if i > lost and status.state is State.SURE)
    assert all(status.matrix is truth for status in after[:found])
    assert off(after[found].matrix, pushed) < 2 and off(after[-1].matrix, pushed) < 2


@pytest.mark.parametrize('level', [6, 120])
def test_a_blank_scene_neither_finds_nor_replaces_anything(scene, level):
    """A wall or the sky at night: noise, however it wanders in brightness."""
    rng = np.random.default_rng(level)
    blank = [View('', *((level * (1 + number % 3) / 2 + rng.normal(0, 5, (2, *SIZE[::-1]))
                         ).clip(0, 255).astype(np.uint8))) for number in range(20)]
    assert all(status.matrix is None for status in shown(Tracker(), blank, 200))
    truth = mapping(SIZE, SIZE, 2)
    statuses = shown(Tracker(truth, SIZE, SIZE), blank, 200)
    assert all(status.matrix is truth for status in statuses)
    assert statuses[-1].state is State.LOST


def test_a_scene_that_stands_still_is_no_evidence(scene):
    statuses = shown(Tracker(), scene[:1], 100)
    assert statuses[-1].state is State.SEARCHING and statuses[-1].views == 1


def test_images_of_another_size_are_sought_anew(scene):
    tracker = Tracker(np.eye(3), SIZE, SIZE)
    small = View('', *(cv2.resize(image, (240, 180))
                       for image in (scene[0].thermal, scene[0].luma)))
    status = tracker.take(small, 0)
    assert status.state is State.SEARCHING and status.matrix is None
