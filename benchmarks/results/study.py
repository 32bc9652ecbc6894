"""The study: what `make study` measured, pooled over folds and seeds; prints its tables."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np

from benchmarks.results.statistics import difference
from benchmarks.results.statistics import miou
from benchmarks.results.statistics import RESAMPLES
from benchmarks.results.statistics import share
from benchmarks.results.tables import contrast_table
from benchmarks.results.tables import segmentation_table
from benchmarks.results.tables import table
from benchmarks.results.tables import TARGETS
from train.datasets.samples import FOLDS
from train.datasets.samples import frame_number
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.evaluation.target_contrast import Instance

FIRST = 'attributed'
OTHERS = ('even', 'rgb', 'thermal', 'mean')
BLOCK = 40  # frame numbers
KEPT = 0.75

Key = tuple[int, str]  # seed, pair


@dataclass(frozen=True)
class Pair:
    """What a run says of one pair: counts (C, C), label by mask, and its targets."""

    counts: np.ndarray
    targets: list[Instance]


@dataclass(frozen=True)
class Study:
    """`pairs` by variant, and the (seed, fold) that each variant has; `classes` of all runs."""

    classes: tuple[str, ...]
    pairs: dict[str, dict[Key, Pair]]
    runs: dict[str, set[tuple[int, int]]]


def read(root: Path) -> Study:
    """
    Read VARIANT/FOLD-SEED/evaluation.json below `root`.

    Raises DatasetError for a file that no study writes and for runs with other classes.
    """
    classes: tuple[str, ...] = ()
    pairs: dict[str, dict[Key, Pair]] = {}
    runs: dict[str, set[tuple[int, int]]] = {}
    for path in sorted(root.glob('*/*-*/evaluation.json')):
        variant = path.parents[1].name
        try:
            fold, seed = map(int, path.parent.name.split('-'))
            said = json.loads(path.read_text())
            own, judged = tuple(said['classes']), said['judged']
            found = {(seed, name): _pair(row) for name, row in judged.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f'{path}: not what `make study` writes ({error!r}); remove it and '
                               'run that again') from error
        if classes and own != classes:
            raise DatasetError(f'{path}: its classes are {own}, those of the others {classes}')
        classes = own
        pairs.setdefault(variant, {}).update(found)
        runs.setdefault(variant, set()).add((seed, fold))
    first = sorted(pairs, key=lambda name: (*(name != each for each in (FIRST, *OTHERS)), name))
    return Study(classes, {name: pairs[name] for name in first}, runs)


def section(root: Path) -> list[str]:
    """Return the paragraphs on the study below `root`. Raises DatasetError as `read` does."""
    study = read(root)
    if not study.pairs:
        return [f'Not measured: {root} holds no finished run; `make study` trains them.']
    seeds = {seed for runs in study.runs.values() for seed, _ in runs}
    pairs = {name for each in study.pairs.values() for _, name in each}
    text = [f'{sum(map(len, study.runs.values()))} runs of {len(study.pairs)} variants: up to '
            f'{max(map(len, map(_folds, study.runs.values())))} of {FOLDS} folds, '
            f'{len(seeds)} seed{"s" * (len(seeds) > 1)}, {len(pairs)} pairs in all. Counts are '
            'added up over folds and seeds before anything is divided.']
    missing = [f'{name} (seed {seed}: fold {", ".join(map(str, gone))})'
               for name in dict.fromkeys((FIRST, *OTHERS, *study.pairs)) for seed in sorted(seeds)
               if (gone := sorted(set(range(FOLDS)) - {
                   fold for own, fold in study.runs.get(name, ()) if own == seed}))]
    if missing:
        text.append(f'Not measured: {"; ".join(missing)}.')
    text += ['IoU of the masks in percent:', segmentation_table(
        {name: pooled(each.values()) for name, each in study.pairs.items()}, study.classes)]
    text += ['Target contrast kept:', contrast_table(
        {name: [item for pair in each.values() for item in pair.targets]
         for name, each in study.pairs.items()}, study.classes)]
    return text + differences(study)


def differences(study: Study) -> list[str]:
    """Return the table of what the attributed variant gains over each other, pair by pair."""
    figures: dict[str, tuple[Callable[[Pair], np.ndarray], Any]] = {
        'mIoU': (lambda pair: pair.counts, miou)}
    labelled = {item.class_id for each in study.pairs.values() for pair in each.values()
                for item in pair.targets}
    for name in TARGETS:
        if name in study.classes and study.classes.index(name) in labelled:
            figures[f'{name}s kept ≥ {100 * KEPT:.0f} %'] = (
                lambda pair, k=study.classes.index(name): kept(pair.targets, k), share)
    rows = []
    for other in study.pairs:
        if FIRST in study.pairs and other != FIRST:
            common = sorted(study.pairs[FIRST].keys() & study.pairs[other].keys())
            row = [f'{FIRST} - {other}', str(len(common))]
            for counts, figure in figures.values():
                both = [by_block({key: counts(study.pairs[name][key]) for key in common})
                        for name in (FIRST, other)]
                point, low, high = (100 * x for x in difference(*both, figure))
                row.append(f'{point:+.1f} [{low:+.1f}, {high:+.1f}]')
            rows.append(row)
    if not rows:
        return []
    return [f'Differences in points on the same pairs of the same seeds, with 95 % intervals from '
            f'{RESAMPLES:,} bootstrap samples of blocks of {BLOCK} frame numbers:',
            table(['', 'pairs and seeds', *figures], rows)]


def pooled(pairs: Iterable[Pair]) -> np.ndarray:
    """Return the sum of the counts of all pairs, (C, C)."""
    return np.sum([pair.counts for pair in pairs], axis=0)


def kept(targets: Iterable[Instance], class_id: int) -> np.ndarray:
    """Return how many targets of a class keep the share KEPT of their contrast, and all, (2,)."""
    own = [item.kept >= KEPT for item in targets if item.class_id == class_id]
    return np.array([sum(own), len(own)])


def by_block(counts: Mapping[Key, np.ndarray]) -> np.ndarray:
    """Add up counts (...) over the seeds and frames of a block; (B, ...) in order of blocks."""
    blocks: dict[int, np.ndarray] = {}
    for (_, name), each in counts.items():
        block = frame_number(name) // BLOCK
        blocks[block] = blocks.get(block, 0) + each
    return np.array([blocks[block] for block in sorted(blocks)])


def _pair(row: Mapping[str, Any]) -> Pair:
    counts = np.array(row['counts'], np.int64)
    if counts.ndim != 2:
        raise ValueError(f'counts of shape {counts.shape}')
    return Pair(counts, [
        Instance(item['class'], item['area'], item['kept'] * item['best'], item['best'])
        for item in row['targets']])


def _folds(runs: set[tuple[int, int]]) -> set[int]:
    return {fold for _, fold in runs}


if __name__ == '__main__':
    print('\n\n'.join(section(Path(sys.argv[1] if sys.argv[1:] else 'runs/study'))))
