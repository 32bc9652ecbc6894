"""How a data set lies on disk, as data."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

from train.datasets.classes import ClassMap
from train.datasets.classes import Colour


@dataclass(frozen=True)
class Parts:
    """
    Folders of the RGB, thermal and label images, relative to the root of the data set.

    '{split}' stands for a folder of the split (for none where the root is that folder itself),
    a part with '*' for every folder that matches; it takes the same place in all three. `thermal`
    is '' where the fourth channel of the RGB file is the thermal image, `labels` where there are
    none.
    """

    rgb: str
    thermal: str
    labels: str = ''


@dataclass(frozen=True)
class Layout:
    """
    A data set: the `places` its folders may have, its classes and its splits.

    splits: the folders that stand for '{split}', by the name of the split.
    cameras: 'both', or 'rgb' or 'thermal' for a set that has one of them alone.
    annotated: the classes that its labels tell from the first one; () for all.
    lists: splits are text files of names, `<split>.txt` in the root, instead of folders.
    own_classes: names and colours come from classes.yaml in the root; labels may be absent.
    """

    places: tuple[Parts, ...]
    class_map: ClassMap = field(default_factory=ClassMap)
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    cameras: str = 'both'
    annotated: tuple[str, ...] = ()
    lists: bool = False
    own_classes: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their ids; none where the set has no labels of its own."""
        return self.class_map.names

    @property
    def palette(self) -> dict[str, Colour]:
        """Colours (red, green, blue) by class name, in the order of the ids."""
        return self.class_map.palette
