"""Class names, colours and ids, and what label files hold for them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from uaafusion_ros.errors import DatasetError
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE

Colour = tuple[int, int, int]

EXAMPLE = """\
classes:
  - {name: ground, colour: [0, 0, 0]}
  - {name: person, colour: [220, 20, 60]}"""
_UNKNOWN = 256


@dataclass(frozen=True)
class ClassMap:
    """
    The classes of a data set; ids count from 0 in the order of `palette`.

    `palette` maps names to colours (red, green, blue). `values` maps what label files hold to a
    class id, or to 255 for pixels without a label; empty where files hold the ids themselves.
    255 in a file means no label unless `values` says otherwise. `colours` maps the colours of
    label files to ids where they are not those of `palette`.
    """

    palette: dict[str, Colour] = field(default_factory=dict)
    values: dict[int, int] = field(default_factory=dict)
    colours: dict[Colour, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of their ids."""
        return tuple(self.palette)


def renumbered(classes: ClassMap, palette: dict[str, Colour], ids: Sequence[int]) -> ClassMap:
    """Return what label files hold for the classes of `palette`; ids[k] is the one of class k."""
    table = dict(enumerate(ids)) | {IGNORE: IGNORE}
    values = classes.values or {k: k for k in range(len(ids))}
    colours = classes.colours or {c: k for k, c in enumerate(classes.palette.values())}
    return ClassMap(palette, {value: table[k] for value, k in values.items()},
                    {colour: table[k] for colour, k in colours.items()})


def joined(classes: ClassMap, wanted: Mapping[str, Sequence[str]], owner: str) -> ClassMap:
    """
    Return the classes `wanted`, each made of those of `classes` that it lists.

    What none lists has no label. Raises DatasetError for a name that `owner` does not have or
    that two lists have.
    """
    ids: dict[str, int] = {}
    for new, names in enumerate(wanted.values()):
        for name in names:
            if name not in classes.palette:
                raise DatasetError(f"'classes': {owner} has no class '{name}'; it has "
                                   f'{", ".join(classes.names) or "no labels"}')
            if name in ids:
                raise DatasetError(f"'classes': '{name}' of {owner} is listed twice")
            ids[name] = new
    palette = {new: classes.palette[new if new in names else names[0]]
               for new, names in wanted.items()}
    return renumbered(classes, palette, [ids.get(name, IGNORE) for name in classes.names])


def decode(image: np.ndarray, classes: ClassMap, owner: str) -> np.ndarray:
    """
    Return class ids (uint8 HxW, 255 without a label) of a label file's pixels.

    image: uint8 or uint16 HxW of values, or uint8 HxWx3 (red, green, blue) of the palette's
    colours or of three equal values. `owner` names the data set in errors. Raises DatasetError
    for another channel count and for values or colours that no class has.
    """
    if image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8:
        ids, stray = _of_colours(image, classes)
        if not stray.any():
            return ids
        if (image != image[..., :1]).any():
            colour = tuple(int(v) for v in image[stray][0])
            raise DatasetError(f'{int(stray.sum())} pixels of colours that no class of {owner} '
                               f'has, such as {colour}')
        image = image[..., 0]
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        channels = 1 if image.ndim == 2 else image.shape[2]
        raise DatasetError(f'{channels} channels of {image.dtype}; a label image has one channel '
                           'of class ids or three of class colours, 8 bits each')
    return _of_values(image, classes, owner)


def _of_colours(image: np.ndarray, classes: ClassMap) -> tuple[np.ndarray, np.ndarray]:
    packed = image.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    ids = np.full(packed.shape, IGNORE, np.uint8)
    stray = np.ones(packed.shape, bool)
    colours = classes.colours or {c: k for k, c in enumerate(classes.palette.values())}
    for (red, green, blue), index in colours.items():
        here = packed == (red << 16 | green << 8 | blue)
        ids[here] = index
        stray &= ~here
    return ids, stray


def _of_values(image: np.ndarray, classes: ClassMap, owner: str) -> np.ndarray:
    known = {IGNORE: IGNORE, **(classes.values or {k: k for k in range(len(classes.names))})}
    table = np.full(2 ** (8 * image.dtype.itemsize), _UNKNOWN, np.uint16)
    for value, index in known.items():
        if value < table.size:
            table[value] = index
    ids = table[image]
    if (ids == _UNKNOWN).any():
        worst = int(image[ids == _UNKNOWN].max())
        if classes.values:
            raise DatasetError(f'value {worst}, but {owner} has the values '
                               f'{", ".join(str(v) for v in sorted(known))}')
        raise DatasetError(f'class id {worst}, but {owner} has ids 0 to {len(classes.names) - 1} '
                           f'(and {IGNORE} for pixels without a label)')
    return ids.astype(np.uint8)


def load_classes(path: Path) -> ClassMap:
    """
    Read a classes.yaml: a list `classes` of name, colour and, where they differ from ids, values.

    `unlabelled` may list further values that mean no label. Raises DatasetError naming the file
    and the entry.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetError(f'{path}: cannot be read ({error}); expected is\n{EXAMPLE}') from error
    rows = data.get('classes') if isinstance(data, dict) else None
    if not isinstance(rows, list) or not 0 < len(rows) <= IGNORE:
        raise DatasetError(f'{path}: expected a list of 1 to {IGNORE} classes, such as\n{EXAMPLE}')
    unknown = set(data) - {'classes', 'unlabelled'}
    if unknown:
        raise DatasetError(f"{path}: '{min(map(str, unknown))}' is unknown; known are classes and "
                           'unlabelled')
    palette: dict[str, Colour] = {}
    values: dict[int, int] = {}
    for index, row in enumerate(rows):
        name, colour, own = _entry(path, index, row)
        if name in palette:
            raise DatasetError(f"{path}: two classes are named '{name}'")
        palette[name] = colour
        _claim(path, values, own, index)
    _claim(path, values, _numbers(path, 'unlabelled', data.get('unlabelled', [])), IGNORE)
    plain = values == {k: k for k in range(len(palette))}
    return ClassMap(palette, {} if plain else values)


def _entry(path: Path, index: int, row: Any) -> tuple[str, Colour, list[int]]:
    known = {'name', 'colour', 'values'}
    if (not isinstance(row, dict) or set(row) - known or not isinstance(row.get('name'), str)
            or not row['name']):
        raise DatasetError(f'{path}: class {index} is {row!r}; expected a mapping with name, '
                           'colour and, if need be, values')
    colour = _numbers(path, f"colour of '{row['name']}'", row.get('colour'))
    if len(colour) != 3 or max(colour) > 255:
        raise DatasetError(f"{path}: the colour of '{row['name']}' is {row.get('colour')!r}; "
                           'expected red, green and blue of 0 to 255')
    return row['name'], tuple(colour), _numbers(path, 'values', row.get('values', [index]))


def _numbers(path: Path, what: str, value: Any) -> list[int]:
    if not isinstance(value, list) or not all(
            isinstance(v, int) and not isinstance(v, bool) and 0 <= v < 2 ** 16 for v in value):
        raise DatasetError(f'{path}: {what}: {value!r}; expected a list of whole numbers from 0')
    return value


def _claim(path: Path, values: dict[int, int], own: list[int], index: int) -> None:
    for value in own:
        if values.setdefault(value, index) != index:
            raise DatasetError(f'{path}: the label value {value} is given to two classes')
