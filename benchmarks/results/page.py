"""The page: its sections in order, of which none stops the others."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.results import ablations
from benchmarks.results import fusion
from benchmarks.results import inputs
from benchmarks.results import seeds
from benchmarks.results.methods import folder
from benchmarks.results.methods import mean_fusion
from benchmarks.results.methods import Method
from benchmarks.results.methods import shipped
from benchmarks.results.networks import load_shipped
from benchmarks.results.networks import method
from benchmarks.results.sheet import sheet
from benchmarks.results.store import Store
from train.config import Source
from train.data import palette_of
from train.data import read
from train.data import Sample
from uaafusion_ros.errors import UaafusionError

PEERS = {'SeAFusion': 'seafusion', 'DECFusion': 'decfusion'}
PEER_FOLDER = 'msrs_val_y'
FEW, CHANGED, SHOWN = 8, 3, 12
SWITCHED = (
    'Nothing is trained again: a part is switched off where the network is evaluated. That tells '
    'how much the network as trained makes of the part, not what a network trained without it '
    'would reach. Memories are zeroed from the second stage on; "stage 1 of 3" takes the iterate '
    'after the first stage for the fused image.')


@dataclass(frozen=True)
class Places:
    """Where everything lies; `data` holds msrs/val, peers and tno."""

    data: Path
    runs: Path
    paper: Path
    kept: Path
    fused: tuple[tuple[str, Path], ...] = ()

    @property
    def joint(self) -> Path:
        """Return the checkpoint of which the shipped fast model was made."""
        return self.runs / 'fast_joint' / 'best.safetensors'


def spread_evenly(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return `count` of the samples, or all, evenly spaced and with both ends."""
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    return [samples[k] for k in sorted(set(chosen.tolist()))]


def write(places: Places, out: Path, pairs: int | None) -> list[str]:
    """
    Measure everything on all pairs, or `pairs` of them, and write `out` and the sheets beside it.

    Returns what the page says was not measured. Raises DatasetError without validation pairs.
    """
    source = Source('msrs', str(places.data / 'msrs' / 'val'))
    every, palette = read(source), palette_of((source,))
    classes = tuple(palette)
    samples = spread_evenly(every, pairs or len(every))
    store = Store(places.kept)

    candidates: dict[str, Callable[[], Method]] = {'mean': mean_fusion}
    for name, part in PEERS.items():
        candidates[name] = partial(
            folder, name, places.data / 'peers' / part / PEER_FOLDER, ours=False)
    for name, path in places.fused:
        candidates[name] = partial(folder, name, path, ours=True)
    ours: dict[str, Callable[[], Method]] = {
        'fast': partial(shipped, 'fast', classes),
        'paper': lambda: method(load_shipped(places.paper), 'uaafusion paper', store)}
    candidates |= {f'uaafusion {name}': make for name, make in ours.items()}

    found, own, missing = fusion.measured(candidates, samples, len(classes), store)
    masks = {f'{name}, on its own fused image': each.counts for name, each in found.items()
             if each.counts is not None}
    parts: dict[str, list[str]] = {
        '# Results': [_head(len(samples), len(every))],
        '## Fusion': fusion.section(found, own, classes) + missing,
        '## Segmentation by input': attempt('the inputs', lambda: inputs.section(
            places.runs, places.joint, masks, samples, classes, store)),
        '## Parts of the fast preset': [SWITCHED, *attempt(
            'the parts of fast', lambda: ablations.fast(
                places.joint, samples, spread_evenly(samples, FEW), len(classes), store))],
        '## Parts of the paper preset': [
            'Mean absolute change of the fused image in levels (1/255), by pair:', *attempt(
                'the parts of paper', lambda: ablations.paper(
                    places.paper, _changed(places, samples), store))],
        '## Seeds': attempt('the seeds', lambda: seeds.section(
            places.runs, places.joint, samples, len(classes), store)),
        '## To look at': _sheets(ours, spread_evenly(samples, SHOWN), palette, out.parent),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text('\n\n'.join(f'{head}\n' + '\n\n'.join(text)
                               for head, text in parts.items()) + '\n')
    return [line for text in parts.values() for line in text if line.startswith('Not measured')]


def attempt(name: str, make: Callable[[], list[str]]) -> list[str]:
    """Return a section's paragraphs, or the one sentence that says why there are none."""
    try:
        return make()
    except UaafusionError as error:
        return [fusion.not_measured(name, error)]


def _head(count: int, total: int) -> str:
    which = (f'All figures are over the {total} validation pairs of MSRS' if count == total else
             f'**All figures are over {count} of the {total} validation pairs of MSRS**, evenly '
             'spaced')
    return (
        f'{which}; `make results` writes this page. One evaluator measures everything '
        '(docs/metrics.md): gray images of 8 bits, RGB and fused colour images by their BT.601 '
        'luma. The peers are images that their authors\' networks made, which were trained on '
        'the training split of MSRS.')


def _changed(places: Places, samples: Sequence[Sample]) -> list[Sample]:
    """Return the pairs of the table of changes: one of TNO, if at hand, and a few of these."""
    try:
        outdoors = read(Source('tno', str(places.data / 'tno')))[:1]
    except UaafusionError:
        outdoors = []
    return [*outdoors, *spread_evenly(samples, CHANGED)]


def _sheets(ours: Mapping[str, Callable[[], Method]], samples: Sequence[Sample],
            palette: Mapping[str, tuple[int, int, int]], folder_of_page: Path) -> list[str]:
    """Draw one sheet per method of ours and return the links to them."""
    def drawn(name: str, make: Callable[[], Method]) -> list[str]:
        picture = sheet(make(), samples, palette, f'{name} on validation pairs, D: day, N: night')
        path = folder_of_page / 'images' / f'{name}_val.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
                    [cv2.IMWRITE_JPEG_QUALITY, 88])
        return [f'![{name} on validation pairs](images/{path.name})']
    return [line for name, make in ours.items()
            for line in attempt(f'the sheet of {name}', lambda: drawn(name, make))]
