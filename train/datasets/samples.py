"""Pairs as a sequence: held in memory where they fit, read on access where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import operator
import re

import numpy as np

from train.config import Data
from train.config import Source
from train.datasets.classes import Colour
from train.datasets.reader import load
from train.datasets.reader import read_label
from train.datasets.reader import Sample
from train.datasets.scan import aligned
from train.datasets.scan import classes_of
from train.datasets.scan import find
from train.datasets.scan import PairFiles
from uaafusion_ros.errors import DatasetError

FOLDS = 5
MEMORY = 2 * 2**30  # bytes of images that are kept


class LazySamples(Sequence[Sample]):
    """
    Pairs that are read when they are asked for.

    The first ones asked for stay in memory until `memory` bytes are full: training draws pairs
    evenly, so any of them are as good to keep. Reading raises DatasetError as `load` does.
    """

    def __init__(self, pairs: Sequence[PairFiles], memory: int = MEMORY) -> None:
        self.pairs = tuple(pairs)
        self._room = memory
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int | slice) -> Sample | LazySamples:
        if isinstance(index, slice):
            return LazySamples(self.pairs[index], self._room)
        index = range(len(self))[operator.index(index)]
        if index in self._kept:
            return self._kept[index]
        sample = load(self.pairs[index])
        if size_of(sample) <= self._room:
            self._room -= size_of(sample)
            self._kept[index] = sample
        return sample


def size_of(sample: Sample) -> int:
    """Return the bytes of a pair's images."""
    label = 0 if sample.label is None else sample.label.nbytes
    return sample.rgb.nbytes + sample.thermal.nbytes + label


def read(source: Source) -> Sequence[Sample]:
    """
    Return every pair of a source, sorted by name.

    Raises DatasetError naming the folder or file that is missing, unreadable, of another size
    than its partner, or labelled out of range; the latter three only when a pair is first asked
    for, where a set is too large to be held in memory.
    """
    return read_all((source,))


def read_all(sources: Sequence[Source], memory: int = MEMORY) -> Sequence[Sample]:
    """Return the pairs of all sources in their order: a list where `memory` bytes hold them."""
    return _held([find(source) for source in sources], memory)


def split(data: Data, memory: int = MEMORY) -> tuple[
        Sequence[Sample], Sequence[Sample], list[float]]:
    """
    Return the pairs to train on, those to validate on, and how often each of the former is drawn.

    The draws of a source's pairs sum to its share. A source may have no pair in a fold. Raises
    DatasetError as `read` does, and where no source has any.
    """
    for name, sources in (('train', data.train), ('val', data.val)):
        if not sources:
            raise DatasetError(f"'data.{name}' is empty: list the sources")
    names = tuple(palette_of((*data.train, *data.val)))
    val = [of_fold(source, data.fold, find(source, names), True) for source in data.val]
    watched = [pair.name for pairs in val for pair in pairs]
    train = [_apart(source, watched, of_fold(source, data.fold, find(source, names), False))
             for source in data.train]
    for sources, found in ((data.train, train), (data.val, val)):
        if not any(found):
            raise DatasetError(f'{", ".join(source.root for source in sources)}: fold {data.fold} '
                               'leaves none of its pairs')
    draws = [source.share / len(pairs) for source, pairs in zip(data.train, train) for _ in pairs]
    return _held(train, memory), _held(val, memory), draws


def fold_of(name: str, block: int) -> int:
    """
    Return the fold, 0 to 4, of the frame that a name such as 00307D or FLIR_00006 numbers.

    Blocks of `block` numbers go to the folds in turn, so that neighbours mostly stay together.
    """
    return frame_number(name) // block % FOLDS


def frame_number(name: str) -> int:
    """Return the last number in a name; raises DatasetError where there is none."""
    found = re.findall(r'[0-9]+', name)
    if not found:
        raise DatasetError(f"'{name}': no number in it, so it cannot be cut into folds")
    return int(found[-1])


def of_fold(source: Source, fold: int, pairs: Sequence[PairFiles],
            inside: bool) -> Sequence[PairFiles]:
    """Return the pairs inside the source's own fold or else `fold`, or those outside it."""
    fold = source.fold if source.fold >= 0 else fold
    if not source.block or fold < 0:
        return pairs
    return [pair for pair in pairs if (fold_of(pair.name, source.block) == fold) == inside]


def _apart(source: Source, watched: Sequence[str],
           pairs: Sequence[PairFiles]) -> Sequence[PairFiles]:
    if not source.apart:
        return pairs
    near = {(name[-1:], frame_number(name) + k) for name in watched
            for k in range(-source.apart, source.apart + 1) if re.search('[0-9]', name)}
    return [pair for pair in pairs if (pair.name[-1:], frame_number(pair.name)) not in near]


def _held(found: Sequence[Sequence[PairFiles]], memory: int) -> Sequence[Sample]:
    size = sum(len(pairs) * size_of(load(pairs[0])) for pairs in found if pairs)
    every = [pair for pairs in found for pair in pairs]
    return [load(pair) for pair in every] if size <= memory else LazySamples(every, memory)


def names_of(samples: Sequence[Sample]) -> list[str]:
    """Return the names of all pairs, without reading them."""
    return [item.name for item in _cheap(samples)]


def class_counts(samples: Sequence[Sample], classes: int, part: str = 'training') -> np.ndarray:
    """
    Count the labelled pixels of each class id, int64 (classes,).

    Only label files are read where pairs are not in memory. Raises DatasetError where no pixel
    has a label; `part` says of what in it.
    """
    counts = np.zeros(classes, np.int64)
    for item in _cheap(samples):
        label = read_label(item) if isinstance(item, PairFiles) else item.label
        if label is not None:
            counts += np.bincount(label.ravel(), minlength=256)[:classes]
    if not counts.any():
        raise DatasetError(f'no pixel of the {part} pairs has a label; segmentation needs a '
                           'source with labels')
    return counts


def palette_of(sources: Sequence[Source]) -> dict[str, Colour]:
    """
    Return names and colours of the classes of a training; {} without labels.

    They are those of the first source with labels. Raises DatasetError where another one has a
    class that is not among them.
    """
    palettes = (classes_of(source).palette for source in sources)
    palette = next(filter(None, palettes), {})
    for source in sources:
        aligned(source, tuple(palette))
    return palette


def _cheap(samples: Sequence[Sample]) -> Iterator[Sample | PairFiles]:
    return iter(samples.pairs if isinstance(samples, LazySamples) else samples)
