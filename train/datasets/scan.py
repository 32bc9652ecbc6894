"""Which files make up the pairs of a source, and which of them are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from train.config import Source
from train.datasets.catalogue import LAYOUTS
from train.datasets.classes import ClassMap
from train.datasets.classes import joined
from train.datasets.classes import load_classes
from train.datasets.classes import renumbered
from train.datasets.layout import Layout
from train.datasets.layout import Parts
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.imaging.folders import is_image_name
from uaafusion_ros.imaging.folders import stem_of
from uaafusion_ros.imaging.folders import SUFFIXES

# MFNet's script writes mirrored copies under this name; crops are mirrored at random anyway.
_MIRRORED = '_flip'


@dataclass(frozen=True)
class PairFiles:
    """
    The files of one pair of data set `owner`.

    cameras: 'both', 'rgb' or 'thermal'; the path of a missing one is None. Of a pair, `thermal`
    is None where the fourth channel of the RGB file is the thermal image. `labels` is None where
    there are none. hidden: ids of the classes that label 0 does not rule out.
    """

    name: str
    rgb: Path | None
    thermal: Path | None
    labels: Path | None
    classes: ClassMap
    owner: str
    cameras: str = 'both'
    hidden: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scan:
    """
    What was found of a source.

    `defects` tell what is missing, `orphans` which thermal and label images have no RGB image.
    """

    pairs: tuple[PairFiles, ...]
    defects: tuple[str, ...]
    orphans: tuple[str, ...]


def layout_of(source: Source) -> Layout:
    """Return the layout that a source names; raises DatasetError naming the known ones."""
    if source.layout not in LAYOUTS:
        raise DatasetError(f"layout '{source.layout}' is unknown; known: {', '.join(LAYOUTS)}")
    layout = LAYOUTS[source.layout]
    if source.split and source.split not in layout.splits:
        known = ', '.join(layout.splits)
        raise DatasetError(f"split '{source.split}' of {source.layout} is unknown; " + (
            f'known: {known}' if known else 'the set has no splits: leave it out'))
    return layout


def classes_of(source: Source) -> ClassMap:
    """Return the classes that a source is trained with, in its own order; raises DatasetError."""
    own = own_classes_of(source)
    if not source.classes:
        return own
    return joined(own, source.classes, f'{source.root} ({source.layout})')


def own_classes_of(source: Source) -> ClassMap:
    """Return the classes that the labels of a source have; raises DatasetError."""
    layout = layout_of(source)
    if not layout.own_classes:
        places = [place.labels for place in layout.places]
        bare = '' in places and not any(
            (Path(source.root) / place).is_dir() for place in places if place)
        return ClassMap() if bare else layout.class_map
    # With the split left out, the root may be the folder of the split.
    places = [Path(source.root) / 'classes.yaml']
    if not source.split:
        places.append(Path(source.root).resolve().parent / 'classes.yaml')
    found = [path for path in places if path.is_file()]
    labelled = any((Path(source.root) / folder / 'labels').is_dir()
                   for folder in _folders(layout, source))
    if not found and labelled:
        raise DatasetError(f'{places[0]}: missing, though there are labels; it names the classes')
    return load_classes(found[0]) if found else ClassMap()


def aligned(source: Source, names: Sequence[str]) -> tuple[ClassMap, tuple[int, ...]]:
    """
    Return the classes of a source by their ids in the class list `names`, and the hidden ids.

    Hidden are those that the source does not tell from its first class. An empty list means the
    source's own. Raises DatasetError for a class that the list does not have, and where classes
    are hidden and the first one is not the list's.
    """
    classes, owner = classes_of(source), f'{source.root} ({source.layout})'
    if not classes.palette:
        return classes, ()
    names = list(names or classes.names)
    missing = [name for name in classes.names if name not in names]
    if missing:
        raise DatasetError(
            f'{owner} has the classes {", ".join(classes.names)}, but the training has '
            f'{", ".join(names)}; one training needs one class list: say with the setting '
            f"'classes' of a source which of its classes make those of the other")
    annotated = layout_of(source).annotated or own_classes_of(source).names
    told = {name for name in classes.names
            if name == classes.names[0] or set(source.classes.get(name, (name,))) & set(annotated)}
    hidden = tuple(k for k, name in enumerate(names) if k and name not in told)
    if hidden and classes.names[0] != names[0]:
        raise DatasetError(f"{owner}: does not tell {names[hidden[0]]}, so its first class, "
                           f"'{classes.names[0]}', may hide it and must be the first of the "
                           f"training, which is '{names[0]}'")
    if classes.names != tuple(names):
        palette = {name: classes.palette.get(name, (0, 0, 0)) for name in names}
        classes = renumbered(classes, palette, [names.index(name) for name in classes.names])
    return classes, hidden


def find(source: Source, names: Sequence[str] = ()) -> tuple[PairFiles, ...]:
    """
    Return the pairs of a source, sorted by name, with ids in the class list `names`.

    Without a list, the source's own counts. Raises DatasetError naming the first folder or file
    that is missing.
    """
    scan = scan_source(source, names)
    if scan.defects:
        more = len(scan.defects) - 1
        raise DatasetError(scan.defects[0] + (
            f' (and {more} more: python -m train check lists them)' if more else ''))
    return scan.pairs


def scan_source(source: Source, names: Sequence[str] = ()) -> Scan:
    """Look for every file of a source; raises DatasetError for a wrong layout, split or class."""
    search = _Search(source, names)
    search.run()
    return Scan(tuple(search.pairs), tuple(search.defects), tuple(search.orphans))


class _Search:
    """One look through the folders of a source."""

    def __init__(self, source: Source, names: Sequence[str]) -> None:
        self.pairs: list[PairFiles] = []
        self.defects: list[str] = []
        self.orphans: list[str] = []
        self._source = source
        self._layout = layout_of(source)
        self._classes, self._hidden = aligned(source, names)
        self._root = Path(source.root)
        self._folders = _folders(self._layout, source)
        self._parts = max(self._layout.places, key=self._present)
        self._first = 'thermal' if self._layout.cameras == 'thermal' else 'rgb'
        if self._layout.own_classes and not self._classes.palette:
            self._parts = replace(self._parts, labels='')

    def run(self) -> None:
        """Fill `pairs`, `defects` and `orphans`."""
        listed = self._listed()
        for folder in self._folders:
            rgb_folders = _matches(self._root, _filled(self._main, folder))
            if not rgb_folders:
                self.defects.append(self._no_folder(folder))
            for rgb in rgb_folders:
                self._pair_up(rgb, folder, listed)
        if not self.pairs and not self.defects:
            self.defects.append(f'{self._root / _filled(self._main, self._folders[0])}: '
                                f'holds no image ({", ".join(SUFFIXES)}){self._hint()}')

    @property
    def _main(self) -> str:
        return getattr(self._parts, self._first)

    def _present(self, place: Parts) -> int:
        return sum(bool(_matches(self._root, _filled(part, folder)))
                   for part in (place.rgb, place.thermal, place.labels) if part
                   for folder in self._folders)

    def _listed(self) -> list[str] | None:
        """Return the names of a split that is a list, None for any other."""
        if not self._layout.lists or not self._source.split:
            return None
        path = self._root / f'{self._source.split}.txt'
        if not path.is_file():
            self.defects.append(f'{path}: missing; it lists the names of the split')
            return []
        names = {line.strip().removesuffix('.png') for line in path.read_text().splitlines()}
        return sorted(name for name in names if name and not name.endswith(_MIRRORED))

    def _pair_up(self, rgb: Path, folder: str, listed: list[str] | None) -> None:
        images = self._images(rgb)
        partners = {}
        for part in ('thermal', 'labels')[self._first == 'thermal':]:
            pattern = getattr(self._parts, part)
            place = _beside(self._root, rgb, _filled(pattern, folder))
            if pattern and place.is_dir():
                partners[part] = place, self._images(place)
            elif pattern:
                self.defects.append(self._no_partner(part, place, rgb))
        names = listed
        if names is None:
            names = [stem for stem in images if not stem.endswith(_MIRRORED)]
            self.orphans.extend(
                f'{path}: has no RGB image {rgb / stem}.*'
                for _, files in partners.values() for stem, path in files.items()
                if stem not in images)
        for stem in names:
            paths: dict[str, Path | None] = {'thermal': None, 'labels': None}
            missing = []
            if stem not in images:
                missing.append(f'{rgb / stem}.*: missing, though the list of the split names it')
            for part, (place, files) in partners.items():
                paths[part] = files.get(stem)
                if paths[part] is None:
                    missing.append(f"{place / stem}.*: missing, though the RGB image '{stem}' is "
                                   'there')
            self.defects.extend(missing)
            if not missing:
                paths[self._first] = images[stem]
                self.pairs.append(PairFiles(
                    self._prefix(rgb) + stem, paths.get('rgb'), paths['thermal'],
                    paths['labels'], self._classes, self._source.layout,
                    self._layout.cameras, self._hidden))

    def _prefix(self, rgb: Path) -> str:
        """Return what tells pairs of one file name apart where there are many folders."""
        if '*' not in self._parts.rgb:
            return ''
        return '/'.join(rgb.relative_to(self._root).parts[-3:-1]) + '/'

    def _images(self, folder: Path) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in sorted(folder.iterdir()):
            if not is_image_name(path) or path.is_dir():
                continue
            if stem_of(path) in found:
                self.defects.append(
                    f'{path}: there is also {found[stem_of(path)].name}; names must be unique')
            found.setdefault(stem_of(path), path)
        return found

    def _no_folder(self, folder: str) -> str:
        rgb, thermal = (_filled(part, folder) for part in (self._parts.rgb, self._parts.thermal))
        where = f'its thermal ones in {thermal}/' if thermal else \
            'its thermal ones in their fourth channel'
        return (f'{self._root / rgb}: no such folder; a {self._source.layout} set keeps its RGB '
                f'images in {rgb}/ and {where}{self._hint()}')

    def _no_partner(self, part: str, place: Path, rgb: Path) -> str:
        others = {Path(getattr(other, part)).name for other in self._layout.places} - {place.name}
        also = ''.join(f' or {name}' for name in sorted(others))
        return f'{place}{also}: no such folder; it is to hold the {part} of {rgb}'

    def _hint(self) -> str:
        if self._source.split or not self._layout.splits or self._layout.lists:
            return ''
        return f'; no split was named, known are {", ".join(self._layout.splits)}'


def _folders(layout: Layout, source: Source) -> tuple[str, ...]:
    return layout.splits[source.split] if source.split and not layout.lists else ('',)


def _filled(pattern: str, folder: str) -> str:
    """Return a pattern with the split's folder, or without that part where there is none."""
    return '/'.join(part.replace('{split}', folder) for part in pattern.split('/')
                    if folder or part != '{split}')


def _matches(root: Path, pattern: str) -> list[Path]:
    found = sorted(root.glob(pattern)) if '*' in pattern else [root / pattern]
    return [path for path in found if path.is_dir()]


def _beside(root: Path, rgb: Path, pattern: str) -> Path:
    """Return the folder of `pattern`, its '*' filled as in the RGB folder `rgb`."""
    matched = rgb.relative_to(root).parts
    return root.joinpath(*(matched[k] if '*' in part else part
                           for k, part in enumerate(pattern.split('/'))))
