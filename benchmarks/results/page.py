"""The page: its sections in order, of which none stops the others."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.results import methods
from benchmarks.results import study
from benchmarks.results.methods import Method
from benchmarks.results.tables import contrast_table
from benchmarks.results.tables import fusion_table
from benchmarks.results.tables import measure
from benchmarks.results.tables import Measured
from benchmarks.results.tables import segmentation_table
from benchmarks.results.tables import table
from benchmarks.results.tables import USUAL
from benchmarks.results.tables import wins
from train.config import Source
from train.data import palette_of
from train.data import read
from train.data import Sample
from train.datasets.samples import fold_of
from uaafusion_ros.engine.models import shipped_weights
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.segmentation_metrics import scores

PEERS = {'SeAFusion': 'seafusion', 'DECFusion': 'decfusion'}
PARTS = {'as it is': lambda network: None, 'w = 1/2, no targets': methods.even_weights,
         'no targets': methods.targets_off, 'memories off': methods.memories_off}
BLOCK, FOLD = 100, 0  # of RoadScene: labels that no training of ours has seen

Makers = Mapping[str, Callable[[], Method]]


@dataclass(frozen=True)
class Places:
    """Where everything lies; `data` holds msrs/val, peers and roadscene."""

    data: Path
    study: Path
    kept: Path
    fused: tuple[tuple[str, Path], ...] = ()


def spread_evenly(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return `count` of the samples, or all, evenly spaced and with both ends."""
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    return [samples[k] for k in sorted(set(chosen.tolist()))]


def write(places: Places, out: Path, pairs: int | None) -> list[str]:
    """
    Measure everything on all pairs, or `pairs` of each set, and write `out`.

    Returns what the page says was not measured. Raises DatasetError without validation pairs.
    """
    source = Source('msrs', str(places.data / 'msrs' / 'val'))
    every, classes = read(source), tuple(palette_of((source,)))
    samples = spread_evenly(every, pairs or len(every))
    makers: dict[str, Callable[[], Method]] = {
        **{method.name: lambda m=method: m for method in (*methods.SOURCES, methods.MEAN)},
        **{name: lambda n=name, p=part: methods.folder(n, places.data / 'peers' / p / 'msrs_val_y')
           for name, part in PEERS.items()},
        **{name: lambda n=name, p=path: methods.folder(n, p, ours=True)
           for name, path in places.fused},
        'uaafusion fast': lambda: methods.shipped('fast', classes),
        'uaafusion paper': lambda: methods.kept(
            methods.shipped('paper', classes, 'torch'), shipped_weights('paper')[0], places.kept)}
    found, ours, missing = _measured(makers, samples, classes)
    parts = {
        '# Results': [_head(len(samples), len(every))],
        '## Fusion': [*_fusion(found, ours), *missing],
        '## Target contrast kept': [contrast_table(
            {name: each.found for name, each in found.items()}, classes)],
        '## Streets that were not trained on': _attempt(
            'RoadScene', lambda: _roadscene(places.data, makers, classes, pairs)),
        '## Parts of the fast preset': _attempt(
            'the parts of fast', lambda: _parts(samples, classes)),
        '## Study': _attempt('the study', lambda: study.section(places.study))}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text('\n\n'.join(f'{head}\n' + '\n\n'.join(text)
                               for head, text in parts.items()) + '\n')
    return [line for text in parts.values() for line in text if line.startswith('Not measured')]


def _head(count: int, total: int) -> str:
    which = (f'over the {total} validation pairs of MSRS' if count == total else
             f'over **{count} of the {total}** validation pairs of MSRS, evenly spaced,')
    return (
        f'All figures are {which} where nothing else is said; `make results` writes this page. '
        'One evaluator measures everything ([metrics.md](metrics.md)): gray images of 8 bits, RGB '
        "and fused colour images by their BT.601 luma. The peers are images of their authors' "
        'networks, which were trained on the training split of MSRS.')


def _measured(makers: Makers, samples: Sequence[Sample],
              classes: Sequence[str]) -> tuple[dict[str, Measured], list[str], list[str]]:
    """Measure every method that can be had; also which are ours, and a sentence per failure."""
    found, ours, missing = {}, [], []
    for name, make in makers.items():
        try:
            method = make()
            found[name] = measure(method, samples, classes, method not in methods.SOURCES)
        except UaafusionError as error:
            missing.append(f'Not measured: {name} ({error}).')
        else:
            ours += [name] if method.ours else []
    return found, ours, missing


def _attempt(name: str, make: Callable[[], list[str]]) -> list[str]:
    """Return a section's paragraphs, or the one sentence that says why there are none."""
    try:
        return make()
    except UaafusionError as error:
        return [f'Not measured: {name} ({error}).']


def _fusion(found: Mapping[str, Measured], ours: Sequence[str]) -> list[str]:
    means = {name: each.means for name, each in found.items() if each.means}
    counts = {name: each.counts for name, each in found.items() if each.counts is not None}
    others = [name for name in means if name not in ours]
    text = [fusion_table(means)]
    if ours and others:
        text += [f'Better in how many of {", ".join(USUAL)}:', table(
            ['', *(f'against {name}' for name in others)],
            [[name, *(wins(means[name], means[other]) for other in others)] for name in ours])]
    if counts:
        names = palette_of((Source('msrs'),))
        text += ['IoU of the masks in percent:', segmentation_table(counts, tuple(names))]
    return text


def _roadscene(data: Path, makers: Makers, classes: Sequence[str],
               pairs: int | None) -> list[str]:
    source = Source('roadscene', str(data / 'roadscene'))
    samples = [sample for sample in read(source)
               if fold_of(sample.name, BLOCK) == FOLD and sample.label is not None]
    samples = spread_evenly(samples, pairs or len(samples))
    found = measure(makers['uaafusion fast'](), samples, classes, metrics=False)
    iou = scores(found.counts).iou
    names = [name for name in ('car', 'person') if np.isfinite(iou[classes.index(name)])]
    return [f'IoU in percent on {len(samples)} pairs of RoadScene whose labels no training saw '
            '(train/configs), against these weak labels ([datasets.md](datasets.md)):', table(
                ['', *names],
                [['uaafusion fast', *(
                    f'{100 * iou[classes.index(name)]:.1f}' for name in names)]])]


def _parts(samples: Sequence[Sample], classes: Sequence[str]) -> list[str]:
    weights, _ = shipped_weights('fast')
    found = {name: measure(methods.changed(name, weights, change), samples, classes)
             for name, change in PARTS.items()}
    return ['Nothing is trained again: a part is switched off where the shipped network is '
            'evaluated. What networks trained without it reach is told by the study.',
            fusion_table({name: each.means for name, each in found.items()}, USUAL),
            segmentation_table({name: each.counts for name, each in found.items()}, classes),
            contrast_table({name: each.found for name, each in found.items()}, classes)]
