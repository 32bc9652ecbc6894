"""From the files of a pair to its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from train.datasets.classes import decode
from train.datasets.indexed_png import read_indices
from train.datasets.scan import PairFiles
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.imaging.thermal import ThermalScaler

# Mean difference between the channels of a thermal image (of 255) that is no longer compression.
_FALSE_COLOURS = 10.0


@dataclass(frozen=True)
class Sample:
    """
    One pair: `rgb` uint8 HxWx3, `thermal` uint8 HxW, `label` uint8 HxW or None.

    cameras: 'both', or the only one that there is; the other's image is black. hidden: ids of the
    classes that label 0 does not rule out.
    """

    name: str
    rgb: np.ndarray
    thermal: np.ndarray
    label: np.ndarray | None
    cameras: str = 'both'
    hidden: tuple[int, ...] = ()


def load(pair: PairFiles) -> Sample:
    """Read a pair; raises DatasetError naming the file that is unreadable or does not fit."""
    images, defects = attempt(pair)
    if defects:
        raise DatasetError(defects[0])
    size = next(iter(images.values())).shape[:2]
    return Sample(
        pair.name, images.get('rgb', np.zeros((*size, 3), np.uint8)),
        images.get('thermal', np.zeros(size, np.uint8)), images.get('label'),
        pair.cameras, pair.hidden)


def attempt(pair: PairFiles) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return what can be read of a pair ('rgb', 'thermal', 'label'), and each thing wrong."""
    images: dict[str, np.ndarray] = {}
    defects = []
    steps = (('rgb', read_rgb), ('thermal', read_thermal), ('label', read_label))
    if pair.cameras != 'both':
        steps = tuple(step for step in steps if step[0] in (pair.cameras, 'label'))
    elif pair.thermal is None:
        steps = (('stack', read_stack), ('label', read_label))
    for part, step in steps:
        try:
            image = step(pair)
        except DatasetError as error:
            defects.append(str(error))
            continue
        if part == 'stack':
            images['rgb'], images['thermal'] = image
        elif image is not None:
            images[part] = image
    first = 'thermal' if pair.cameras == 'thermal' else 'rgb'
    if first in images:
        size = images[first].shape[:2]
        for part, path in (('thermal', pair.thermal), ('label', pair.labels)):
            if part in images and images[part].shape != size:
                defects.append(f'{getattr(pair, first)}: {size} pixels, its partner {images[part].shape} in '
                               f'{path}; pairs must be registered and of one size')
    return images, defects


def read_rgb(pair: PairFiles) -> np.ndarray:
    """Return the RGB image, uint8 HxWx3; a gray file gives three equal channels."""
    return np.ascontiguousarray(_image(pair.rgb, cv2.IMREAD_COLOR)[..., ::-1])


def read_thermal(pair: PairFiles) -> np.ndarray:
    """
    Return the thermal image, uint8 HxW, hot is bright.

    16-bit and float files are stretched between their own percentiles, as one image of a camera
    is; three channels are accepted where they are equal.
    """
    image = _image(pair.thermal, cv2.IMREAD_UNCHANGED)
    if image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8:
        difference = np.ptp(image, axis=2).mean()
        if difference > _FALSE_COLOURS:
            raise DatasetError(f'{pair.thermal}: a thermal image in colours (its channels differ '
                               f'by {difference:.0f} on average); accepted is one channel')
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16, np.float32):
        channels = 1 if image.ndim == 2 else image.shape[2]
        raise DatasetError(f'{pair.thermal}: {channels} channels of {image.dtype}; a thermal '
                           'image has one of uint8, uint16 or float32')
    return image if image.dtype == np.uint8 else ThermalScaler().scale(image).image


def read_stack(pair: PairFiles) -> tuple[np.ndarray, np.ndarray]:
    """Return RGB and thermal image of a file that holds both in four channels."""
    image = _image(pair.rgb, cv2.IMREAD_UNCHANGED)
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels != 4 or image.dtype != np.uint8:
        raise DatasetError(f'{pair.rgb}: {channels} channels of {image.dtype}; a {pair.owner} '
                           'image has four of uint8: red, green, blue and thermal')
    return np.ascontiguousarray(image[..., 2::-1]), np.ascontiguousarray(image[..., 3])


def read_label(pair: PairFiles) -> np.ndarray | None:
    """Return the class ids of a pair, uint8 HxW with 255 where unlabelled, or None."""
    if pair.labels is None:
        return None
    image = read_indices(pair.labels)
    if image is None:
        image = _image(pair.labels, cv2.IMREAD_UNCHANGED)
        if image.ndim == 3 and image.shape[2] == 3:
            image = image[..., ::-1]
    try:
        return decode(image, pair.classes, pair.owner)
    except DatasetError as error:
        raise DatasetError(f'{pair.labels}: {error}') from error


def _image(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DatasetError(f'{path}: not a readable image')
    return image
