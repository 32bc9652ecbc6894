"""The stills that ship with the package, and the bag that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np

from uaafusion_ros.demo.scene import frames
from uaafusion_ros.demo.scene import StillPair
from uaafusion_ros.demo.topics import RGB_INFO_TOPIC
from uaafusion_ros.demo.topics import RGB_TOPIC
from uaafusion_ros.demo.topics import THERMAL_INFO_TOPIC
from uaafusion_ros.demo.topics import THERMAL_TOPIC
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.evaluation.bags import BagWriter

STILLS = Path(__file__).parent / 'tno'

RGB_FRAME = 'rgb_optical_frame'
THERMAL_FRAME = 'thermal_optical_frame'

# An odd start and an odd skew, so that a stamp rounded anywhere on its way is seen.
_START_NS = 1_700_000_000_123_456_789
_SKEW_NS = 3_217_043


@dataclass(frozen=True)
class Shot:
    """One pair of the demo: the still it shows and the stamps of its two images."""

    scene: str
    stamp_ns: int

    @property
    def thermal_stamp_ns(self) -> int:
        """Return the thermal camera's stamp, a few milliseconds after the RGB camera's."""
        return self.stamp_ns + _SKEW_NS


def load_stills(folder: Path = STILLS) -> list[StillPair]:
    """
    Load the pairs rgb/NAME.png and thermal/NAME.png of a folder as gray uint8 images.

    Raises DatasetError if there is none, or if a file has no partner or is no image.
    """
    rgb = {path.stem: path for path in sorted((folder / 'rgb').glob('*.png'))}
    thermal = {path.stem: path for path in sorted((folder / 'thermal').glob('*.png'))}
    if not rgb or rgb.keys() != thermal.keys():
        raise DatasetError(
            f'{folder} must hold rgb/NAME.png and thermal/NAME.png for the same names; '
            f'found rgb {sorted(rgb)}, thermal {sorted(thermal)}: install the package again')
    return [StillPair(name, _gray(thermal[name]), _gray(rgb[name])) for name in rgb]


def plan(stills: list[StillPair], rate: float,
         seconds: float) -> Iterator[tuple[Shot, np.ndarray, np.ndarray]]:
    """
    Yield (shot, thermal, rgb): `rate` per second for `seconds`, one scene after the other.

    Every scene gets its share of the frames, the first ones get the remainder; at least one each.
    Images are as `scene.frames` makes them.
    """
    count = max(len(stills), round(rate * seconds))
    number = 0
    for place, still in enumerate(stills):
        share = count // len(stills) + (place < count % len(stills))
        for thermal, rgb in frames(still, share):
            stamp_ns = _START_NS + round(number * 1_000_000_000 / rate)
            yield Shot(still.name, stamp_ns), thermal, rgb
            number += 1


def write_bag(path: Path, stills: list[StillPair], rate: float, seconds: float) -> list[Shot]:
    """
    Write both cameras' images (rgb8, mono8) and camera_info; returns what was planned.

    Raises BagError if the bag exists.
    """
    shots = []
    with BagWriter(path) as bag:
        for shot, thermal, rgb in plan(stills, rate, seconds):
            height, width = thermal.shape
            bag.add_camera_info(RGB_INFO_TOPIC, width, height, shot.stamp_ns, RGB_FRAME)
            bag.add_image(RGB_TOPIC, rgb, 'rgb8', shot.stamp_ns, RGB_FRAME)
            stamp_ns = shot.thermal_stamp_ns
            bag.add_camera_info(THERMAL_INFO_TOPIC, width, height, stamp_ns, THERMAL_FRAME)
            bag.add_image(THERMAL_TOPIC, thermal, 'mono8', stamp_ns, THERMAL_FRAME)
            shots.append(shot)
    return shots


def _gray(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DatasetError(f'{path} is no readable image; install the package again')
    return image
