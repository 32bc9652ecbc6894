"""From parameters and calibrations to a registration."""

from __future__ import annotations

import sys
from types import ModuleType
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('sensor_msgs.msg')

from geometry_msgs.msg import TransformStamped  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402

from uaafusion_ros.errors import DependencyError  # noqa: E402
from uaafusion_ros.errors import RegistrationError  # noqa: E402
from uaafusion_ros.nodes import static_transforms  # noqa: E402
from uaafusion_ros.nodes.registering import make_registration  # noqa: E402
from uaafusion_ros.settings import RegistrationSettings  # noqa: E402

pytestmark = pytest.mark.ros


def info(width, height, focal):
    message = CameraInfo(width=width, height=height, distortion_model='plumb_bob')
    message.d = [0.0] * 5
    message.k = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    message.r = np.eye(3).ravel().tolist()
    message.p = [focal, 0.0, (width - 1) / 2, 0.0, 0.0, focal, (height - 1) / 2, 0.0,
                 0.0, 0.0, 1.0, 0.0]
    return message


def plane(**given):
    return RegistrationSettings(**{'mode': 'plane', **given})


def test_a_plane_waits_for_both_calibrations():
    """Then it lays the narrower thermal view into the middle of the RGB image."""
    thermal, rgb = np.full((32, 40), 200, np.uint8), info(80, 64, 80.0)
    for known, missing in (({}, 'thermal and rgb'), ({'rgb': rgb}, 'of thermal:')):
        with pytest.raises(RegistrationError, match=missing):
            make_registration(plane(), known, {}).apply(thermal, (64, 80))
    made = make_registration(plane(), {'rgb': rgb, 'thermal': info(40, 32, 80.0)}, {})
    registered = made.apply(thermal, (64, 80))
    roi = registered.overlap
    assert abs(roi.x - 20) <= 1 and abs(roi.y - 16) <= 1 and abs(roi.width - 40) <= 2
    assert registered.image[32, 40] == 200 and registered.image[5, 5] == 0


def test_the_distance_moves_the_thermal_image():
    """A camera 10 cm to the right sees less of a shift the farther it looks: f b / d."""
    infos = {'rgb': info(80, 64, 80.0), 'thermal': info(80, 64, 80.0)}
    thermal = np.zeros((64, 80), np.uint8)
    thermal[:, 40:] = 255
    edges = []
    for distance in (1.0, 2.0):
        made = make_registration(plane(
            translation_m=(0.1, 0.0, 0.0), plane_distance_m=distance), infos, {})
        edges.append(int(np.argmax(made.apply(thermal, (64, 80)).image[32] > 127)))
    assert edges[0] - edges[1] == pytest.approx(4, abs=1), edges


def test_what_does_not_fit_is_told_with_every_pair():
    """A camera that was never calibrated can be mended while the node runs."""
    made = make_registration(
        plane(), {'rgb': info(80, 64, 80.0), 'thermal': info(40, 32, 0.0)}, {})
    with pytest.raises(RegistrationError, match="registration 'plane': .*not calibrated"):
        made.apply(np.zeros((32, 40), np.uint8), (64, 80))


def test_a_homography_needs_its_file(tmp_path):
    """At once, while configuring."""
    for file, words in (('', 'needs a file'), (str(tmp_path / 'no.yaml'), 'no.yaml')):
        with pytest.raises(RegistrationError, match=words):
            make_registration(plane(mode='homography', file=file), {}, {})


def test_frames_wait_for_their_transform(monkeypatch):
    """A stand-in for tf2_msgs, which not every machine has; without it, the package is named."""
    settings = plane(rgb_frame='rgb_optical', thermal_frame='thermal_optical')
    infos = {'rgb': info(80, 64, 80.0), 'thermal': info(80, 64, 80.0)}
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', None)
    with pytest.raises(DependencyError, match='tf2_msgs'):
        make_registration(settings, infos, {})
    monkeypatch.setitem(sys.modules, 'tf2_msgs', ModuleType('tf2_msgs'))
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', SimpleNamespace(TFMessage=object))
    taken, news, transforms = [], [], {}
    node = SimpleNamespace(create_subscription=lambda kind, topic, take, qos: taken.append(take))
    static_transforms.subscribe(node, transforms, lambda: news.append(True))
    thermal = np.zeros((64, 80), np.uint8)
    with pytest.raises(RegistrationError, match='/tf_static does not connect'):
        make_registration(settings, infos, transforms).apply(thermal, (64, 80))
    message = TransformStamped(child_frame_id='thermal_optical')
    message.header.frame_id = 'rgb_optical'
    message.transform.translation.x = 0.5
    for _ in range(2):
        taken[0](SimpleNamespace(transforms=[message]))
    assert len(news) == 1, 'latched again by a publisher that restarts'
    thermal[:, 40:] = 255
    image = make_registration(settings, infos, transforms).apply(thermal, (64, 80)).image
    assert int(np.argmax(image[32] > 127)) == 48  # 40 + 80 px x 0.5 m / 5 m
