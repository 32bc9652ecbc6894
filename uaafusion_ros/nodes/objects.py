"""Objects as messages: JSON for everybody, vision_msgs/Detection2DArray where that exists."""

from __future__ import annotations

from collections.abc import Sequence
import json
from typing import Any

from std_msgs.msg import String

from uaafusion_ros.frames import Frame
from uaafusion_ros.imaging.objects import DetectedObject
from uaafusion_ros.nodes.messages import stamp_from_ns

try:  # not part of every ROS installation
    from vision_msgs.msg import Detection2D
    from vision_msgs.msg import Detection2DArray
    from vision_msgs.msg import ObjectHypothesisWithPose
except ImportError:
    Detection2D = Detection2DArray = ObjectHypothesisWithPose = None

OBJECTS, DETECTIONS = 'segmentation/objects', 'segmentation/detections'


def objects_json(objects: Sequence[DetectedObject], classes: Sequence[str], unit: str,
                 reference: Frame) -> String:
    """
    Return objects with stamp and frame_id of the `reference` frame as JSON.

    {"stamp": {"sec", "nanosec"}, "frame_id", "objects": [{"class_id", "class", "confidence",
    "box": {"x", "y", "width", "height"}, "temperature": {"unit", "min", "mean", "max"}}]};
    `classes` are names by id, and `unit` is that of the temperatures, which are absent where
    they are not known.
    """
    stamp = stamp_from_ns(reference.stamp_ns)
    entries = []
    for each in objects:
        entry: dict[str, Any] = {
            'class_id': each.class_id, 'class': classes[each.class_id],
            'confidence': round(each.confidence, 3), 'box': vars(each.box)}
        if each.temperature is not None:
            values = (round(value, 2) for value in each.temperature)
            entry['temperature'] = {'unit': unit, **dict(zip(('min', 'mean', 'max'), values))}
        entries.append(entry)
    return String(data=json.dumps({
        'stamp': {'sec': stamp.sec, 'nanosec': stamp.nanosec}, 'frame_id': reference.frame_id,
        'objects': entries}))


def detections(objects: Sequence[DetectedObject], classes: Sequence[str],
               reference: Frame) -> Any:
    """
    Return objects with stamp and frame_id of the `reference` frame as Detection2DArray.

    class_id of each one's only hypothesis is the name of the class. A box reaches from edge to
    edge of its pixels, whose centres have whole coordinates.
    """
    array = Detection2DArray()
    array.header.stamp = stamp_from_ns(reference.stamp_ns)
    array.header.frame_id = reference.frame_id
    for each in objects:
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = classes[each.class_id]
        hypothesis.hypothesis.score = each.confidence
        detection = Detection2D(header=array.header, results=[hypothesis])
        detection.bbox.center.position.x = each.box.x + (each.box.width - 1) / 2
        detection.bbox.center.position.y = each.box.y + (each.box.height - 1) / 2
        detection.bbox.size_x = float(each.box.width)
        detection.bbox.size_y = float(each.box.height)
        array.detections.append(detection)
    return array
