"""The fusion methods that are compared: from a pair to an image and, of some, a mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from train.data import Sample
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import EngineError

Fused = tuple[np.ndarray, 'np.ndarray | None']


@dataclass(frozen=True)
class Method:
    """
    A name and how it fuses a pair: a gray or RGB uint8 image, and a mask or None.

    `ours` marks the methods whose wins over the others are counted; `weights` is the sha256 of
    their file.
    """

    name: str
    fuse: Callable[[Sample], Fused]
    ours: bool
    weights: str = ''


def gray(image: np.ndarray) -> np.ndarray:
    """BT.601 luma of an RGB image; a gray one as it is."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def mean_fusion() -> Method:
    """Half thermal, half luma: what any method has to beat."""
    def fuse(sample: Sample) -> Fused:
        return cv2.addWeighted(sample.thermal, 0.5, gray(sample.rgb), 0.5, 0), None
    return Method('mean', fuse, ours=False)


def folder(name: str, path: Path, ours: bool) -> Method:
    """Images on disk, gray or colour, named like the pairs. Raises DatasetError."""
    if not path.is_dir():
        raise DatasetError(f"{path}: no such folder; it would hold the images of '{name}'")

    def fuse(sample: Sample) -> Fused:
        found = sorted(path.glob(f'{sample.name}.*'))
        image = cv2.imread(str(found[0]), cv2.IMREAD_ANYCOLOR) if found else None
        if image is None:
            raise DatasetError(
                f"{path / sample.name}.*: no readable image; '{name}' must hold one per pair")
        return image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1]), None
    return Method(name, fuse, ours)


def shipped(preset: str, classes: tuple[str, ...]) -> Method:
    """Return the shipped model of a preset, as the node runs it; its masks must know `classes`."""
    backend = load_backend(preset=preset)
    if backend.spec.classes != classes:
        raise EngineError(f"preset '{preset}' knows the classes {backend.spec.classes}, the data "
                          f'set {classes}; its masks cannot be scored')

    def fuse(sample: Sample) -> Fused:
        output = backend.infer(sample.rgb, sample.thermal)
        return output.fused, output.mask
    return Method(f'uaafusion {preset}', fuse, ours=True, weights=backend.spec.sha256)
