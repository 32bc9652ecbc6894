"""Contact sheet and film of a demo run, made of what its two bags hold."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from itertools import groupby
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from uaafusion_ros.demo.show import Shot
from uaafusion_ros.demo.show import Show
from uaafusion_ros.engine.contract import ModelSpec
from uaafusion_ros.errors import BagError
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.evaluation.contact_sheet import contact_sheet
from uaafusion_ros.evaluation.contact_sheet import Key
from uaafusion_ros.evaluation.contact_sheet import Row
from uaafusion_ros.evaluation.contact_sheet import strip
from uaafusion_ros.evaluation.contact_sheet import write_film
from uaafusion_ros.harness.topics import FUSED_TOPIC
from uaafusion_ros.harness.topics import MASK_TOPIC
from uaafusion_ros.harness.topics import OVERLAY_TOPIC
from uaafusion_ros.harness.topics import RGB_TOPIC
from uaafusion_ros.harness.topics import THERMAL_TOPIC

_COLUMNS = (
    ('Thermal', THERMAL_TOPIC), ('RGB', RGB_TOPIC), ('Fused', FUSED_TOPIC),
    ('Overlay', OVERLAY_TOPIC))
_TITLES = tuple(title for title, _ in _COLUMNS)
_TOPICS = tuple(topic for _, topic in _COLUMNS)
# Of an image on the sheet, so that a browser shows the sheet whole.
_SMALL = (240, 180)
_CREDIT = 'Input images: TNO Image Fusion Dataset, Alexander Toet, figshare, CC BY 4.0'


def draw(show: Show, rate: float, spec: ModelSpec) -> list[Path]:
    """
    Write contact_sheet.jpg and fused.mp4; returns what was written.

    `spec` names the classes and colours of the legend. Raises BagError.
    """
    arrived = {arrival.stamp_ns: arrival.arrived_ns for arrival in show.arrivals}
    shots = [shot for shot in show.shots if shot.stamp_ns in arrived]
    if not shots:
        return []
    sheet = show.folder / 'contact_sheet.jpg'
    _write_sheet(sheet, show, shots, arrived, spec)
    film = show.folder / 'fused.mp4'
    written = write_film(
        film, (strip(images, _TITLES) for _, images in _groups(show, shots, _TOPICS)), rate)
    return [sheet, film] if written else [sheet]


def _groups(show: Show, shots: Sequence[Shot],
            topics: Sequence[str]) -> Iterator[tuple[Shot, tuple[np.ndarray, ...]]]:
    """Yield the shots of which every topic was recorded, with their images in that order."""
    owners = {}
    for shot in shots:
        for topic in topics:
            stamp_ns = shot.thermal_stamp_ns if topic == THERMAL_TOPIC else shot.stamp_ns
            owners[topic, stamp_ns] = shot
    pending: dict[Shot, dict[str, np.ndarray]] = {}

    def wanted(bag: Path) -> Iterator[tuple[Shot, str, np.ndarray]]:
        for topic, _, frame in read_images(bag):
            if (topic, frame.stamp_ns) in owners:
                yield owners[topic, frame.stamp_ns], topic, frame.array

    # Both bags are in time, so that side by side little has to be kept.
    for found in zip_longest(wanted(show.input_bag), wanted(show.output_bag)):
        for shot, topic, image in filter(None, found):
            images = pending.setdefault(shot, {})
            images[topic] = image
            if len(images) == len(topics):
                del pending[shot]
                yield shot, tuple(images[topic] for topic in topics)


def _write_sheet(path: Path, show: Show, shots: Sequence[Shot], arrived: dict[int, int],
                 spec: ModelSpec) -> None:
    published = {pair.stamp_ns: pair.published_ns for pair in show.sent}
    middle = []
    for _, group in groupby(shots, key=lambda shot: shot.scene):
        scene_shots = list(group)
        middle.append(scene_shots[len(scene_shots) // 2])
    rows = []
    classes: set[int] = set()
    for shot, (*images, mask) in _groups(show, middle, (*_TOPICS, MASK_TOPIC)):
        latency_ms = (arrived[shot.stamp_ns] - published[shot.stamp_ns]) * 1e-6
        small = tuple(cv2.resize(image, _SMALL, interpolation=cv2.INTER_AREA) for image in images)
        rows.append(Row(small, (
            f'TNO {shot.scene}   |   stamp {shot.stamp_ns // 10**9}.{shot.stamp_ns % 10**9:09d}'
            f'   |   fused {latency_ms:.0f} ms after it was sent')))
        classes.update(np.unique(mask).tolist())
    legend = [
        Key(tuple(spec.palette[number].tolist()), spec.classes[number])
        for number in sorted(classes - {0})]
    sheet = contact_sheet(
        'Thermal + RGB, fused and segmented over ROS 2 topics', _COLUMNS, rows, legend,
        (show.outcome.line(), _CREDIT))
    if not cv2.imwrite(str(path), sheet[..., ::-1]):
        raise BagError(f'{path} cannot be written; check the folder and the free space')
