"""The cameras of a bag, chosen by their topics' names and by what their images show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import COMPRESSED_IMAGE
from uaafusion_ros.evaluation.bags import frame_of
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import RawMessage
from uaafusion_ros.evaluation.topics import Choice
from uaafusion_ros.evaluation.topics import choose
from uaafusion_ros.imaging import encodings
from uaafusion_ros.imaging import thermal_checks
from uaafusion_ros.imaging.compressed import SCALED_BY_JPEG

_MOST_MESSAGES = 500  # a topic that begins later is judged by its name alone


@dataclass(frozen=True)
class Cameras:
    """The topics of a bag's cameras, and what is unusual about the thermal one's first image."""

    choice: Choice
    findings: tuple[str, ...]


def choose_cameras(source: BagSource, asked: Mapping[str, str | None],
                   force_roles: bool = False) -> Cameras:
    """
    Choose the topics by name, else by what the first image of each shows, else what is left.

    `asked` maps roles to topic names or None. Raises BagError where the choice is not clear, and
    where the first images contradict it: colours as thermal, 16-bit gray as RGB, unless
    `force_roles`.
    """
    first = _first_images(source)
    looks = {topic: _camera(message) for topic, message in first.items()}
    choice = choose(source.topics, asked, looks)
    if not force_roles:
        _check(choice, looks)
    return Cameras(choice, _findings(first.get(choice.thermal)))


def _first_images(source: BagSource) -> dict[str, RawMessage]:
    missing = {topic.name for topic in source.topics
               if topic.type_name in (IMAGE, COMPRESSED_IMAGE) and topic.count}
    first: dict[str, RawMessage] = {}
    for number, message in enumerate(source.messages(missing)):
        first.setdefault(message.topic, message)
        if len(first) == len(missing) or number == _MOST_MESSAGES:
            break
    return first


def _camera(message: RawMessage) -> str:
    try:
        frame = frame_of(message)
        return thermal_checks.camera_of(frame.array, frame.encoding)
    except EncodingError:  # the replay counts and names it
        return ''


def _check(choice: Choice, looks: Mapping[str, str]) -> None:
    coloured, deep = looks.get(choice.thermal) == 'rgb', looks.get(choice.rgb) == 'thermal'
    if coloured and deep:
        raise BagError(
            f'{choice.thermal} is coloured and {choice.rgb} has one channel of 16 bits, so the '
            f'cameras are exchanged: give --thermal-topic {choice.rgb} --rgb-topic '
            f'{choice.thermal}, or --force-roles to take them as they are')
    if coloured:
        raise BagError(
            f'{choice.thermal} is coloured, and false colours hide the temperatures: record the '
            'thermal camera as mono16 or mono8, name its topic by --thermal-topic, or add '
            '--force-roles to take its brightness for heat')
    if deep:
        raise BagError(
            f'{choice.rgb} has one channel of 16 bits, as thermal cameras have: name the visible '
            "camera's topic by --rgb-topic, or add --force-roles to take it for that")


def _findings(message: RawMessage | None) -> tuple[str, ...]:
    if message is None:
        return ()
    texts = []
    try:
        if frame_of(message, unpack=False).encoding == SCALED_BY_JPEG:
            texts.append(thermal_checks.SCALED_BY_JPEG)
        frame = frame_of(message)
        array = encodings.to_thermal(frame.array, frame.encoding)
    except EncodingError:
        return tuple(texts)
    texts += [finding.text for finding in thermal_checks.examine(array)[1]]
    return tuple(f'{message.topic}: {text}' for text in texts)
