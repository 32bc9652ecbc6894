"""The mode and the class names, and the message that this environment may lack."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from uaafusion_ros.engine.contract import ModelSpec  # noqa: E402
from uaafusion_ros.nodes import latched  # noqa: E402

pytestmark = pytest.mark.ros
SPEC = ModelSpec(Path('m.onnx'), '', 'm', ('background', 'car', 'person'),
                 np.array([[0, 0, 0], [64, 0, 128], [64, 64, 0]], np.uint8), 32)


class FakeNode:
    """A node that keeps what is published."""

    def __init__(self):
        self.sent, self.profiles = {}, {}

    def create_publisher(self, kind, topic, profile):
        self.sent[topic], self.profiles[topic] = [], profile
        return SimpleNamespace(publish=self.sent[topic].append, topic=topic)

    def destroy_publisher(self, publisher):
        del self.sent[publisher.topic]


def test_the_mode_is_said_when_it_changes():
    node = FakeNode()
    mode = latched.ModeTopic(node)
    assert [mode.say(name) for name in ('FUSED', 'FUSED', 'RGB_ONLY')] == [True, False, True]
    assert [message.data for message in node.sent['~/mode']] == ['INACTIVE', 'FUSED', 'RGB_ONLY']
    profile = node.profiles['~/mode']
    assert (profile.depth, profile.durability.name, profile.reliability.name) == (
        1, 'TRANSIENT_LOCAL', 'RELIABLE')


def test_classes_are_published_with_name_and_colour():
    node = FakeNode()
    labels = latched.LabelTopics(node, SPEC)
    message, = node.sent['segmentation/labels']
    assert json.loads(message.data)['1'] == {'name': 'car', 'color': [64, 0, 128]}
    assert ('segmentation/label_info' in node.sent) == (latched.LabelInfo is not None)
    labels.destroy()
    assert not node.sent


@pytest.fixture
def label_info_type(monkeypatch):
    """Stand in for vision_msgs where it is not installed."""
    if latched.LabelInfo is None:
        monkeypatch.setattr(latched, 'LabelInfo', lambda: SimpleNamespace())
        monkeypatch.setattr(latched, 'VisionClass', SimpleNamespace)


def test_label_info_maps_every_class(label_info_type):
    node = FakeNode()
    latched.LabelTopics(node, SPEC)
    info, = node.sent['segmentation/label_info']
    assert [(item.class_id, item.class_name) for item in info.class_map] == [
        (0, 'background'), (1, 'car'), (2, 'person')]
    assert info.threshold == 0.0
