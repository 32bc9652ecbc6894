"""Which topic of a bag is which camera: by type, by name, or by what is left over."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import re
from types import MappingProxyType

from uaafusion_ros.errors import BagError
from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import COMPRESSED_IMAGE
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import Topic

ROLES = ('thermal', 'rgb', 'label')

_WORDS = {
    # Makers of thermal cameras make others too: FLIR's name proves nothing.
    'thermal': {'thermal', 'thermo', 'ir', 'infra', 'infrared', 'lwir', 'mwir', 'boson',
                'lepton', 'tau2', 'optris'},
    'rgb': {'rgb', 'color', 'colour', 'visible', 'vis', 'visual', 'eo'},
    'label': {'label', 'labels', 'annotation', 'annotations', 'groundtruth', 'gt'}}
_PARTS = ('thermal', 'infrared', 'lwir')  # which words such as seekthermal hold
_NOT_HEAT = {'depth', 'disparity', 'range', 'distance'}  # 16 bits that are no heat
_LOOKS = {'thermal': 'its images have one channel of 16 bits or float',
          'rgb': 'its images are coloured'}
# What a fusion node itself publishes is no camera.
_OUTPUTS = {'fused', 'fusion', 'segmentation', 'mask', 'overlay'}


@dataclass(frozen=True)
class Choice:
    """
    The topics of both cameras and, where there is one, of the labels; `why` has the reasons.

    `info` maps a camera to its camera_info topic, if the bag has one.
    """

    thermal: str
    rgb: str
    label: str | None
    why: Mapping[str, str]
    info: Mapping[str, str]

    def lines(self) -> list[str]:
        """Return one line per role: its topic and why."""
        return [f'{role}: {getattr(self, role)} ({reason})' for role, reason in self.why.items()]


def choose(topics: Sequence[Topic], asked: Mapping[str, str | None],
           looks: Mapping[str, str] = MappingProxyType({})) -> Choice:
    """
    Choose by role: what was asked for, what names say, what images show, what is left.

    `asked` maps roles to topic names or None, `looks` topics to the only camera that their images
    can be from (see `thermal_checks.camera_of`). Of an image that is there raw and compressed,
    raw is taken. Raises BagError naming the candidates and the option where the choice is not
    clear.
    """
    images = [topic for topic in topics
              if topic.type_name in (IMAGE, COMPRESSED_IMAGE) and topic.count]
    if not images:
        raise BagError(
            f'the bag holds no image ({IMAGE} or {COMPRESSED_IMAGE}); its topics: '
            f'{_listed([topic.name for topic in topics])}')
    names = [topic.name for topic in images]
    chosen: dict[str, str] = {}
    why: dict[str, str] = {}
    for role in ROLES:
        if asked.get(role):
            if asked[role] not in names:
                raise BagError(
                    f'--{role}-topic {asked[role]} is no image topic of the bag; it has '
                    f'{_listed(names)}')
            chosen[role], why[role] = asked[role], f'asked for by --{role}-topic'
    for role in ROLES:
        if role in chosen:
            continue
        found = _named(role, images, set(chosen.values()))
        if len(found) > 1:
            raise BagError(
                f'several topics may be the {role} one: {_listed(found)}; name it by '
                f'--{role}-topic')
        if found:
            chosen[role], why[role] = found[0], 'its name says so'
    for role in ('thermal', 'rgb'):
        seen = _raw_first([
            topic for topic in images if looks.get(topic.name) == role
            and topic.name not in chosen.values() and not _words(topic.name) & _OUTPUTS
            and not (role == 'thermal' and _words(topic.name) & _NOT_HEAT)])
        if role not in chosen and len(seen) == 1:
            chosen[role], why[role] = seen[0], _LOOKS[role]
    for role in ('thermal', 'rgb'):
        if role in chosen:
            continue
        left = _raw_first([
            topic for topic in images
            if topic.name not in chosen.values() and not _words(topic.name) & _OUTPUTS])
        if len(left) != 1 or not {'thermal', 'rgb'} & chosen.keys():
            raise BagError(
                f'no topic is clearly the {role} one; the image topics are {_listed(names)}: '
                f'name it by --{role}-topic')
        chosen[role], why[role] = left[0], 'the only other camera'
    if chosen['thermal'] == chosen['rgb']:
        raise BagError(
            f"{chosen['rgb']} cannot be thermal and rgb at once; change --thermal-topic or "
            '--rgb-topic')
    info = {
        role: name for role in ('thermal', 'rgb') for name in [info_topic(chosen[role])]
        if any(topic.name == name and topic.type_name == CAMERA_INFO for topic in topics)}
    return Choice(chosen['thermal'], chosen['rgb'], chosen.get('label'),
                  {role: why[role] for role in ROLES if role in why}, info)


def info_topic(image: str) -> str:
    """Return where the camera_info of an image topic lies (the rule of image_transport)."""
    return f"{_base(image).rpartition('/')[0]}/camera_info"


def _base(name: str) -> str:
    """Return the raw topic's name of a compressed one."""
    return name.removesuffix('/compressed').removesuffix('/compressedDepth')


def _words(name: str) -> set[str]:
    """Split a topic's name into its words, numbers apart: /cam0/LWIR_raw is cam, lwir, raw."""
    words = {word for part in re.split(r'[^A-Za-z0-9]+', name) for word in (
        part.lower(), part.lower().rstrip('0123456789'))} - {''}
    return words | {part for part in _PARTS if part in name.lower()}


def _named(role: str, images: Sequence[Topic], taken: set[str]) -> list[str]:
    others = set().union(*(words for other, words in _WORDS.items() if other != role))
    fitting = [
        topic for topic in images
        if topic.name not in taken and _words(topic.name) & _WORDS[role]
        and not _words(topic.name) & _OUTPUTS]
    clear = [topic for topic in fitting if not _words(topic.name) & others]
    return _raw_first(clear or fitting)


def _raw_first(topics: Sequence[Topic]) -> list[str]:
    """Leave out compressed topics whose raw one is there too, and depth of compressed ones."""
    best: dict[str, tuple[int, str]] = {}
    for topic in topics:
        rank = 0 if topic.type_name == IMAGE else 1 + topic.name.endswith('/compressedDepth')
        base = topic.name if topic.type_name == IMAGE else _base(topic.name)
        best[base] = min(best.get(base, (rank, topic.name)), (rank, topic.name))
    kept = {name for _, name in best.values()}
    return [topic.name for topic in topics if topic.name in kept]


def _listed(names: Sequence[str]) -> str:
    return ', '.join(sorted(names)) or 'none'
