"""From the files of a pair to its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.datasets.classes import decode
from train.datasets.scan import PairFiles
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging import files
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.imaging.thermal_checks import Finding

SMALLEST = 32  # pixels a side: the stride of the segmentation backbone


@dataclass(frozen=True)
class Sample:
    """
    One pair: `rgb` uint8 HxWx3, `thermal` uint8 HxW, `label` uint8 HxW or None.

    cameras: 'both', or the only one that there is; the other's image is black. hidden: ids of the
    classes that label 0 does not rule out. classes: the names of the ids, () without labels.
    """

    name: str
    rgb: np.ndarray
    thermal: np.ndarray
    label: np.ndarray | None
    cameras: str = 'both'
    hidden: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()


def load(pair: PairFiles) -> Sample:
    """Read a pair; raises DatasetError naming the file that is unreadable or does not fit."""
    images, defects, _ = attempt(pair)
    if defects:
        raise DatasetError(defects[0])
    size = next(iter(images.values())).shape[:2]
    return Sample(
        pair.name, images.get('rgb', np.zeros((*size, 3), np.uint8)),
        images.get('thermal', np.zeros(size, np.uint8)), images.get('label'),
        pair.cameras, pair.hidden, pair.classes.names)


def attempt(pair: PairFiles) -> tuple[dict[str, np.ndarray], list[str], tuple[Finding, ...]]:
    """Return what can be read of a pair ('rgb', 'thermal', 'label'), what is wrong, what odd."""
    images: dict[str, np.ndarray] = {}
    defects: list[str] = []
    findings: tuple[Finding, ...] = ()
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
        elif part == 'thermal':
            images['thermal'], findings = image
        elif image is not None:
            images[part] = image
    first = 'thermal' if pair.cameras == 'thermal' else 'rgb'
    if first in images:
        size = images[first].shape[:2]
        if min(size) < SMALLEST:
            defects.append(f'{getattr(pair, first)}: {size} pixels; at least {SMALLEST} each way '
                           'are needed')
        for part, path in (('thermal', pair.thermal), ('label', pair.labels)):
            if part in images and images[part].shape != size:
                defects.append(f'{getattr(pair, first)}: {size} pixels, its partner '
                               f'{images[part].shape} in {path}; pairs must be registered and '
                               'of one size')
    return images, defects, findings


def read_rgb(pair: PairFiles) -> np.ndarray:
    """Return the RGB image, uint8 HxWx3; a gray file gives three equal channels."""
    return _read(files.read_rgb, pair.rgb)


def read_thermal(pair: PairFiles) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """
    Return the thermal image, uint8 HxW, hot is bright, and what was unusual about it.

    16-bit and float files are stretched between their own percentiles, as one image of a camera
    is; three channels are accepted where they are equal.
    """
    thermal = _read(files.read_thermal, pair.thermal)
    image = thermal.array
    if image.dtype != np.uint8:
        image = ThermalScaler().scale(image).image
    return image, thermal.findings


def read_stack(pair: PairFiles) -> tuple[np.ndarray, np.ndarray]:
    """Return RGB and thermal image of a file that holds both in four channels."""
    return _read(files.read_stack, pair.rgb)


def read_label(pair: PairFiles) -> np.ndarray | None:
    """Return the class ids of a pair, uint8 HxW with 255 where unlabelled, or None."""
    if pair.labels is None:
        return None
    image = _read(files.read_label, pair.labels)
    try:
        return decode(image, pair.classes, pair.owner)
    except DatasetError as error:
        raise DatasetError(f'{pair.labels}: {error}') from error


def _read(reader: Callable, path: Path):
    try:
        return reader(path)
    except EncodingError as error:
        raise DatasetError(str(error)) from error
