"""The section on chance: the same training from several seeds, as far as runs are at hand."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.results.fusion import not_measured
from benchmarks.results.inputs import NAMES
from benchmarks.results.inputs import of_run
from benchmarks.results.measure import measure
from benchmarks.results.networks import load_joint
from benchmarks.results.networks import method
from benchmarks.results.store import Store
from benchmarks.results.tables import table
from benchmarks.results.tables import USUAL
from train.data import Sample
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.network import checkpoint

FIGURES = ('mIoU', *USUAL)


def runs_of(runs: Path, name: str) -> dict[int, Path]:
    """Return the best checkpoints of NAME and NAME_seed*, by the seed of each."""
    found = {}
    for path in sorted([*runs.glob(f'{name}/best.safetensors'),
                        *runs.glob(f'{name}_seed*/best.safetensors')]):
        _, meta = checkpoint.load(path)
        found[meta['config']['seed']] = path
    return dict(sorted(found.items()))


def section(runs: Path, joint: Path, samples: Sequence[Sample], classes: int,
            store: Store) -> list[str]:
    """Return the table of every training that was run; a spread where there are several."""
    def on_input(path: Path) -> dict[str, float]:
        return {'mIoU': 100 * scores(of_run(path, joint, samples, classes, store)).miou}

    def whole_network(path: Path) -> dict[str, float]:
        found = measure(method(load_joint(path), path.parent.name, store), samples, classes, store)
        return {'mIoU': 100 * scores(found.counts).miou, **found.means}

    trainings: dict[str, tuple[str, Callable[[Path], dict[str, float]]]] = {
        f'segmentation, {name}': (f'input_{view}', on_input) for view, name in NAMES.items()}
    trainings['fast, whole network'] = ('fast_joint', whole_network)
    figures: dict[str, dict[int, dict[str, float]]] = {}
    missing = []
    for name, (run, figures_of) in trainings.items():
        figures[name] = {}
        for seed, path in runs_of(runs, run).items():
            try:
                figures[name][seed] = figures_of(path)
            except UaafusionError as error:
                missing.append(not_measured(f'{name}, seed {seed}', error))
    return described(figures) + missing


def described(figures: Mapping[str, Mapping[int, Mapping[str, float]]]) -> list[str]:
    """Return the paragraphs on figures by training and seed."""
    figures = {name: by_seed for name, by_seed in figures.items() if by_seed}
    if not figures:
        return ['Not measured: no run is at hand.']
    several = {name: by_seed for name, by_seed in figures.items() if len(by_seed) > 1}
    text = []
    if several:
        text = ['Mean over the seeds, least and greatest in brackets:', table(
            ['', 'seeds', *FIGURES],
            [[name, ', '.join(map(str, by_seed)), *(
                _spread(key, [row[key] for row in by_seed.values() if key in row])
                for key in FIGURES)] for name, by_seed in several.items()])]
    single = [f'{name} ({next(iter(by_seed))})'
              for name, by_seed in figures.items() if len(by_seed) == 1]
    if single:
        text.append(f'One seed alone, so without a spread: {"; ".join(single)}.')
    return text


def _spread(key: str, values: Sequence[float]) -> str:
    if not values:
        return '—'
    digits = 1 if key == 'mIoU' else 3
    return (f'{np.mean(values):.{digits}f} '
            f'[{min(values):.{digits}f}, {max(values):.{digits}f}]')
