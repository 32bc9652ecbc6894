"""Objects as JSON and as vision_msgs, which this environment may lack."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from uaafusion_ros.frames import Frame  # noqa: E402
from uaafusion_ros.imaging.objects import DetectedObject  # noqa: E402
from uaafusion_ros.imaging.registration import Roi  # noqa: E402
from uaafusion_ros.nodes import objects  # noqa: E402

pytestmark = pytest.mark.ros
REFERENCE = Frame(np.zeros((4, 6), np.uint8), 5_000_000_007, 'rgb_optical', 'mono8')
CLASSES = ('background', 'car', 'person')
FOUND = [DetectedObject(2, Roi(10, 20, 4, 9), 0.75, (19.4, 28.123, 34.7)),
         DetectedObject(1, Roi(0, 0, 30, 20), 0.5)]


def test_json_has_all_that_is_known():
    said = json.loads(objects.objects_json(FOUND, CLASSES, 'celsius', REFERENCE).data)
    assert (said['stamp'], said['frame_id']) == ({'sec': 5, 'nanosec': 7}, 'rgb_optical')
    assert said['objects'] == [
        {'class_id': 2, 'class': 'person', 'confidence': 0.75,
         'box': {'x': 10, 'y': 20, 'width': 4, 'height': 9},
         'temperature': {'unit': 'celsius', 'min': 19.4, 'mean': 28.12, 'max': 34.7}},
        {'class_id': 1, 'class': 'car', 'confidence': 0.5,
         'box': {'x': 0, 'y': 0, 'width': 30, 'height': 20}}]


def nested(*names):
    """Return an empty message whose fields of these dotted names can be set."""
    root = SimpleNamespace()
    for name in names:
        at = root
        for part in name.split('.'):
            at = vars(at).setdefault(part, SimpleNamespace())
    return root


@pytest.fixture
def vision_msgs(monkeypatch):
    """Stand in for vision_msgs where it is not installed."""
    if objects.Detection2DArray is None:
        for name, make in {
            'Detection2DArray': lambda: SimpleNamespace(header=nested('stamp'), detections=[]),
            'Detection2D': lambda **given: SimpleNamespace(
                bbox=nested('center.position'), **given),
            'ObjectHypothesisWithPose': lambda: nested('hypothesis'),
        }.items():
            monkeypatch.setattr(objects, name, make)


def test_a_detection_has_class_score_and_box(vision_msgs):
    array = objects.detections(FOUND, CLASSES, REFERENCE)
    assert (array.header.stamp.sec, array.header.stamp.nanosec) == (5, 7)
    assert array.header.frame_id == 'rgb_optical'
    one, other = array.detections
    result, = one.results
    assert (result.hypothesis.class_id, result.hypothesis.score) == ('person', 0.75)
    center = one.bbox.center.position
    assert (center.x, center.y, one.bbox.size_x, one.bbox.size_y) == (11.5, 24.0, 4.0, 9.0)
    assert other.header.frame_id == 'rgb_optical' and other.bbox.size_x == 30.0
