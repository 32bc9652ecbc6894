"""
`python -m train check --config FILE | LAYOUT ROOT [SPLIT]`: what the data sets hold and lack.

Every pair is read, and with --config the training begins but for its first step. Exit code 2 where
anything is missing, unreadable or of the wrong kind, or the training would be refused.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
import sys

import numpy as np
from tqdm import tqdm

from train import config as settings
from train.config import Config
from train.config import Source
from train.datasets.reader import attempt
from train.datasets.samples import of_fold
from train.datasets.samples import palette_of
from train.datasets.scan import classes_of
from train.datasets.scan import scan_source
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.segmentation_metrics import IGNORE


@dataclass(frozen=True)
class Report:
    """
    What one source holds.

    pairs: those that are sound. sizes: pairs by (height, width). counts: labelled pixels of each
    class of `classes`. unlabelled: pixels without a label in labelled pairs. without_labels:
    pairs that have none. defects: everything wrong, by file. files: the sound RGB files (thermal
    ones where there is no other camera). notes:
    what is odd about thermal images and was put right, or has to be known; a line for each kind.
    """

    pairs: int
    sizes: dict[tuple[int, int], int]
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    unlabelled: int
    without_labels: int
    defects: tuple[str, ...]
    files: frozenset[Path]
    notes: tuple[str, ...]


def check(source: Source, fold: int = -1, inside: bool = True,
          names: Sequence[str] = ()) -> Report:
    """
    Read every pair of a source, or of those cut into folds those inside or outside `fold`.

    Its ids are those of the class list `names`, or of its own without one.

    Raises DatasetError where nothing can be looked for at all.
    """
    own = classes_of(source).names
    scan = scan_source(source, names)
    defects = [*scan.defects, *scan.orphans]
    sizes: Counter[tuple[int, int]] = Counter()
    counts = np.zeros(IGNORE + 1, np.int64)
    files, without_labels = set(), 0
    notes: dict[str, str] = {}
    pairs = of_fold(source, fold, scan.pairs, inside)
    for pair in tqdm(pairs, desc=source.layout, unit='pair', leave=False, disable=None):
        images, wrong, findings = attempt(pair)
        defects.extend(wrong)
        for finding in findings:
            notes.setdefault(finding.kind, '; '.join(filter(None, (
                f'{pair.thermal}: {finding.text}', finding.mended))))
        if wrong:
            continue
        files.add((pair.rgb or pair.thermal).resolve())
        sizes[next(iter(images.values())).shape[:2]] += 1
        if 'label' in images:
            counts += np.bincount(images['label'].ravel(), minlength=counts.size)
        else:
            without_labels += 1
    return Report(
        sum(sizes.values()), dict(sizes), own,
        tuple(int(counts[tuple(names or own).index(name)]) for name in own),
        int(counts[IGNORE]), without_labels, tuple(defects), frozenset(files),
        tuple(notes.values()))


def lines(report: Report) -> list[str]:
    """Return a report as text, one finding a line."""
    common = sorted(report.sizes.items(), key=lambda item: -item[1])
    sizes = ', '.join(f'{count} of {width}x{height}' for (height, width), count in common[:5])
    if len(common) > 5:
        heights, widths = zip(*report.sizes)
        sizes = (f'{len(common)} sizes, {min(widths)} to {max(widths)} wide and '
                 f'{min(heights)} to {max(heights)} high')
    found = [f'{report.pairs} pairs: {sizes}' if report.pairs else 'no sound pair']
    labelled = sum(report.counts)
    if labelled:
        found.append('share of the labelled pixels: ' + ', '.join(
            f'{name} {count / labelled:.2%}'
            for name, count in zip(report.classes, report.counts)))
        empty = [name for name, count in zip(report.classes, report.counts) if not count]
        if empty:
            found.append(f'no pixel of: {", ".join(empty)}')
    pixels = labelled + report.unlabelled
    if pixels:
        found.append(f'without a label: {report.unlabelled / pixels:.2%} of their pixels')
    if report.without_labels:
        found.append(f'without any label: {report.without_labels} pairs')
    found.extend(f'note: {text}' for text in report.notes)
    found.extend(f'defect: {text}' for text in report.defects)
    return found


def in_both(train: Sequence[Report], val: Sequence[Report]) -> list[str]:
    """Return the RGB files, by name, that sources of both kinds hold."""
    first, second = (frozenset().union(*(r.files for r in reports)) for reports in (train, val))
    return sorted(str(path) for path in first & second)


def main(argv: list[str], begin: Callable[[Config], object] = lambda config: None) -> int:
    """
    Run the verb and return the exit code: 0 sound, 2 with defects.

    begin: does all that a training does before its first step.
    """
    parser = argparse.ArgumentParser(prog='python -m train check', description=__doc__)
    parser.add_argument('--config', type=Path, help='check all sources of a training')
    parser.add_argument('rest', nargs='*', metavar='LAYOUT ROOT [SPLIT] | section.key=value')
    args = parser.parse_intermixed_args(argv)
    if hasattr(sys.stdout, 'reconfigure'):  # names of files may hold what is no UTF-8
        sys.stdout.reconfigure(errors='backslashreplace')
    if not args.config and len(args.rest) not in (2, 3):
        parser.error('give --config FILE, or LAYOUT ROOT [SPLIT]')
    try:
        if args.config:
            config = settings.load(args.config, args.rest)
            defects = _report({'train': config.data.train, 'val': config.data.val},
                              config.data.fold, config.phase != 'fusion')
            if not defects:
                begin(config)
        else:
            defects = _report({'': (Source(*args.rest),)}, -1, True)
        print(f'defects: {defects}' if defects else 'sound')
        return 2 if defects else 0
    except (UaafusionError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


def _report(groups: dict[str, Sequence[Source]], fold: int, one_list: bool) -> int:
    """Print what sources hold and return the number of defects; one_list: of their classes."""
    defects = 0
    reports: dict[str, list[Report]] = {name: [] for name in groups}
    names: tuple[str, ...] = ()
    if one_list:
        try:
            names = tuple(palette_of([each for group in groups.values() for each in group]))
        except DatasetError as error:
            defects += 1
            print(f'defect: {error}')
    for name, sources in groups.items():
        for source in sources:
            title = ' '.join(filter(None, (source.layout, source.root, source.split)))
            print(f'{name}: {title}' if name else title)
            try:
                report = check(source, fold, name != 'train', names)
            except DatasetError as error:
                defects += 1
                print(f'  defect: {error}')
                continue
            reports[name].append(report)
            defects += len(report.defects)
            print(*(f'  {line}' for line in lines(report)), sep='\n', flush=True)
    both = in_both(reports.get('train', []), reports.get('val', []))
    if both:
        defects += len(both)
        print(f'defect: {len(both)} pairs are in train and in val: {", ".join(both)}')
    return defects
