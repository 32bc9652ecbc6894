"""The outputs of the node, made only where somebody listens."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import String

from uaafusion_ros.frames import Frame
from uaafusion_ros.frames import FusionResult
from uaafusion_ros.imaging.color import overlay
from uaafusion_ros.imaging.objects import DetectedObject
from uaafusion_ros.imaging.registration import Roi
from uaafusion_ros.nodes import qos
from uaafusion_ros.nodes.messages import camera_info_for
from uaafusion_ros.nodes.messages import fill_image
from uaafusion_ros.nodes.messages import jpeg_from_array
from uaafusion_ros.nodes.messages import new_image
from uaafusion_ros.nodes.objects import Detection2DArray
from uaafusion_ros.nodes.objects import DETECTIONS
from uaafusion_ros.nodes.objects import detections
from uaafusion_ros.nodes.objects import OBJECTS
from uaafusion_ros.nodes.objects import objects_json
from uaafusion_ros.settings import QosSettings
from uaafusion_ros.settings import Settings

INFO, JPEG = 'fused/camera_info', 'fused/image/compressed'
TOPICS: dict[str, Any] = {
    'fused/image': Image, JPEG: CompressedImage,
    'segmentation/mask': Image, 'segmentation/confidence': Image,
    'segmentation/overlay': Image, INFO: CameraInfo, OBJECTS: String}
if Detection2DArray is not None:
    TOPICS[DETECTIONS] = Detection2DArray


class Outputs:
    """
    Lifecycle publishers of images (fused, JPEG, mask ...), of objects and of the calibration.

    Made and destroyed on the executor's thread; `wanted` and `publish` serve the worker.
    """

    def __init__(
        self, node: LifecycleNode, settings: QosSettings, warn: Callable[[str], None]
    ) -> None:
        """Advertise all topics relative to the node's namespace."""
        self._node = node
        self._warn = warn
        profile = qos.profile(settings.output_depth, settings.output_reliability)
        self._publishers = {
            topic: node.create_lifecycle_publisher(
                kind, topic, profile,
                event_callbacks=qos.output_events(node.resolve_topic_name(topic), warn))
            for topic, kind in TOPICS.items()}
        # Publishing copies a message, so that each topic needs one only.
        self._images = {topic: new_image() for topic, kind in TOPICS.items() if kind is Image}

    def wanted(self) -> set[str]:
        """Return the topics that have a listener now."""
        return {topic for topic, publisher in self._publishers.items()
                if publisher.get_subscription_count()}

    def publish_images(
        self, wanted: set[str], result: FusionResult, reference: Frame, palette: np.ndarray,
        settings: Settings
    ) -> None:
        """
        Publish the `wanted` images with stamp and frame_id of the `reference` frame.

        `palette` (uint8 Nx3) and overlay.alpha make the overlay, output.jpeg_quality the
        compressed image.
        """
        header = (reference.stamp_ns, reference.frame_id)
        images = {
            'fused/image': lambda: (result.fused, 'rgb8'),
            'segmentation/mask': lambda: (result.mask, 'mono8'),
            'segmentation/confidence': lambda: (result.confidence, 'mono8'),
            'segmentation/overlay': lambda: (
                overlay(result.fused, result.mask, palette, settings.overlay.alpha), 'rgb8')}
        for topic, make in images.items():
            if topic in wanted:
                self._publishers[topic].publish(
                    fill_image(self._images[topic], *make(), *header))
        if JPEG in wanted:
            self._publishers[JPEG].publish(
                jpeg_from_array(result.fused, settings.output.jpeg_quality, *header))

    def publish_objects(
        self, wanted: set[str], objects: Sequence[DetectedObject], classes: Sequence[str],
        unit: str, reference: Frame
    ) -> None:
        """
        Publish the `wanted` forms of what was found in the mask.

        `classes` are names by id, `unit` is that of the objects' temperatures.
        """
        if OBJECTS in wanted:
            self._publishers[OBJECTS].publish(objects_json(objects, classes, unit, reference))
        if DETECTIONS in wanted:
            self._publishers[DETECTIONS].publish(detections(objects, classes, reference))

    def publish_info(
        self, info: CameraInfo, reference: Frame, size: tuple[int, int], overlap: Roi | None
    ) -> None:
        """
        Publish the calibration of the reference camera with the `reference` frame's header.

        Its region of interest is `overlap`, where that is not None. It is withheld with a
        warning while its size is not `size`, the fused image's height and width.
        """
        if (info.height, info.width) == size:
            self._publishers[INFO].publish(
                camera_info_for(info, reference.stamp_ns, reference.frame_id, overlap))
        else:
            self._warn(
                f'{INFO} withheld: that of the reference camera is for '
                f'{info.width}x{info.height}, its image fuses to {size[1]}x{size[0]}; '
                'publish the calibration of this image size')

    def destroy(self) -> None:
        """Withdraw all topics."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
