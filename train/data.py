"""Registered thermal + RGB pairs on disk, held in memory as uint8."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from train.config import Source
from uaafusion_ros.errors import DatasetError


@dataclass(frozen=True)
class Layout:
    """
    Where a data set keeps its parts; `labels` is '' where it has none.

    `palette` maps each class name, in the order of the ids, to its colour (red, green, blue).
    """

    rgb: str
    thermal: str
    labels: str
    palette: dict[str, tuple[int, int, int]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their ids."""
        return tuple(self.palette)


# Names and colours as published with MFNet (Ha et al., IROS 2017) and MSRS (Tang et al., 2022).
MSRS_PALETTE = {
    'unlabelled': (0, 0, 0),
    'car': (64, 0, 128),
    'person': (64, 64, 0),
    'bike': (0, 128, 192),
    'curve': (0, 0, 192),
    'car_stop': (128, 128, 0),
    'guardrail': (64, 64, 128),
    'color_cone': (192, 128, 128),
    'bump': (192, 64, 0),
}

LAYOUTS = {
    'msrs': Layout('vi', 'ir', 'label', MSRS_PALETTE),
    'roadscene': Layout('vi', 'ir', '', {}),
    'tno': Layout('vi', 'ir', '', {}),
}
SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp')


@dataclass(frozen=True)
class Sample:
    """One pair: `rgb` uint8 HxWx3, `thermal` uint8 HxW, `label` uint8 HxW or None."""

    name: str
    rgb: np.ndarray
    thermal: np.ndarray
    label: np.ndarray | None


def read(source: Source) -> list[Sample]:
    """
    Read every pair of a folder, sorted by name.

    Raises DatasetError naming the folder or file that is missing, unreadable, of another size
    than its partner, or labelled out of range.
    """
    if source.layout not in LAYOUTS:
        raise DatasetError(f"layout '{source.layout}' is unknown; known: {', '.join(LAYOUTS)}")
    layout = LAYOUTS[source.layout]
    root = Path(source.root)
    rgb_dir = root / layout.rgb
    if not rgb_dir.is_dir():
        raise DatasetError(f'{rgb_dir}: no such folder; a {source.layout} set keeps its RGB '
                           f'images in {layout.rgb}/ and its thermal ones in {layout.thermal}/')
    samples = []
    for path in sorted(rgb_dir.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        rgb = _image(path, cv2.IMREAD_COLOR)[..., ::-1]
        thermal = _image(_partner(root / layout.thermal, path.stem), cv2.IMREAD_GRAYSCALE)
        label = None
        if layout.labels:
            label_path = _partner(root / layout.labels, path.stem)
            label = _image(label_path, cv2.IMREAD_UNCHANGED)
            if label.max() >= len(layout.classes):
                raise DatasetError(f'{label_path}: class id {label.max()}, but {source.layout} '
                                   f'has ids 0 to {len(layout.classes) - 1}')
        for other in (thermal, label):
            if other is not None and other.shape != rgb.shape[:2]:
                raise DatasetError(f'{path}: {rgb.shape[:2]} pixels, its partner {other.shape}; '
                                   'pairs must be registered and of one size')
        samples.append(Sample(path.stem, np.ascontiguousarray(rgb), thermal, label))
    if not samples:
        raise DatasetError(f'{rgb_dir}: holds no image ({", ".join(SUFFIXES)})')
    return samples


def _partner(folder: Path, stem: str) -> Path:
    for suffix in SUFFIXES:
        path = folder / f'{stem}{suffix}'
        if path.is_file():
            return path
    raise DatasetError(f"{folder / stem}.*: missing, though the RGB image '{stem}' is there")


def _image(path: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise DatasetError(f'{path}: not a readable image')
    return image
