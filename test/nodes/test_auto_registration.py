"""What is found beside the fusion serves the next pairs and the next start."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')

from uaafusion_ros.frames import Frame  # noqa: E402
from uaafusion_ros.frames import FramePair  # noqa: E402
from uaafusion_ros.harness.pictures import load_stills  # noqa: E402
from uaafusion_ros.imaging.registration import homography_file  # noqa: E402
from uaafusion_ros.imaging.registration.homography import Homography  # noqa: E402
from uaafusion_ros.nodes.auto_registration import AutoRegistration  # noqa: E402
from uaafusion_ros.nodes.throttled_log import ThrottledLogger  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]
SIZE = (640, 480)


class Silent:
    def warning(self, text: str) -> None:
        pass


def test_a_pushed_mount_is_followed_into_the_file(tmp_path):
    """The file says that thermal lies 10 pixels from where these images are."""
    file = tmp_path / 'found.yaml'
    wrong = np.array([[1, 0, 8.0], [0, 1, 6.0], [0, 0, 1]])
    homography_file.write(file, Homography(wrong, SIZE, SIZE, 0.2, 30, '2026-11-01'))
    auto = AutoRegistration(file, ThrottledLogger(Silent()))
    first = auto.registration
    pairs = []
    for still in load_stills():
        thermal, rgb = (cv2.resize(image, SIZE) for image in (still.thermal, still.rgb))
        pairs.append(FramePair(Frame(thermal, 0, 't', 'mono8'), Frame(rgb, 0, 'r', 'mono8')))
    ends = time.monotonic() + 60
    while auto.registration is first and time.monotonic() < ends:
        auto.offer(pairs[int(time.monotonic() / 0.2) % len(pairs)])
        time.sleep(0.05)
    auto.close(5.0)
    found = homography_file.read(file).matrix
    assert np.hypot(found[0, 2], found[1, 2]) < 3, found
    moved = np.zeros(SIZE[::-1], np.uint8)
    moved[240:, 320:] = 255
    registered = auto.registration.apply(moved, SIZE[::-1]).image
    assert abs(int(np.argmax(registered[300] > 127)) - 320) < 3
