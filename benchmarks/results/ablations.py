"""The sections on what the parts of the networks do, switched off where they are evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.results.measure import measure
from benchmarks.results.measure import Measured
from benchmarks.results.measure import progress
from benchmarks.results.networks import load_joint
from benchmarks.results.networks import load_shipped
from benchmarks.results.networks import Loaded
from benchmarks.results.networks import lumas
from benchmarks.results.networks import method
from benchmarks.results.store import Store
from benchmarks.results.switches import attention_off
from benchmarks.results.switches import even_weights
from benchmarks.results.switches import given
from benchmarks.results.switches import long_memory_off
from benchmarks.results.switches import nothing
from benchmarks.results.switches import short_memory_off
from benchmarks.results.switches import stages
from benchmarks.results.switches import step_off
from benchmarks.results.switches import Switch
from benchmarks.results.tables import fusion_table
from benchmarks.results.tables import table
from benchmarks.results.tables import USUAL
from benchmarks.results.tables import wins
from train.batches import whole
from train.data import Sample
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.network.exact import fuse_exactly

WHOLE, EVEN = 'as it is', 'w = 1/2 everywhere'
# By integrated gradients: the definition, and at how many points of the path.
EXACT = {'the same gains, by integrated gradients': ('closed', 20),
         "the paper's definition": ('exact', 5)}


def fast(joint: Path, samples: Sequence[Sample], few: Sequence[Sample], classes: int,
         store: Store) -> list[str]:
    """
    Return the tables of the fast preset: its parts, and the source of its attribution.

    The second is measured on the pairs `few` alone. Raises CheckpointError.
    """
    loaded = load_joint(joint)
    last = len(loaded.network.fusion.stages)
    parts: dict[str, Switch] = {
        WHOLE: nothing, EVEN: even_weights, 'attention off': attention_off,
        'step off': step_off, 'short memory off': short_memory_off,
        'long memory off': long_memory_off,
        **{f'stage {k} of {last}': stages(k) for k in range(1, last)}}
    rows = {name: measure(method(loaded, name, store, _plain(name), lambda sample, s=switch: s),
                          samples, classes, store)
            for name, switch in parts.items()}
    text = [_quality(rows), worth(rows[WHOLE], rows[EVEN])]
    rows = {'closed form and head, as it is': measure(
        method(loaded, WHOLE, store, _plain(WHOLE)), few, classes, store)}
    for name, (attribution, steps) in EXACT.items():
        rows[name] = measure(method(
            loaded, name, store, f'{attribution}_{steps}',
            lambda sample, a=attribution, n=steps: _explained(loaded, sample, a, n)),
            few, classes, store)
    return [*text, f'Where the attribution comes from, on {len(few)} of the pairs (exact '
            'attention maps in the second and third row):', _quality(rows)]


def paper(path: Path, pairs: Sequence[Sample], store: Store) -> list[str]:
    """
    Return the table of how far each part moves the fused image of the paper preset.

    Mean absolute change in levels (1/255) per pair, against the fused image as it is. Raises
    CheckpointError.
    """
    loaded = load_shipped(path)
    last = len(loaded.network.fusion.stages)
    early = [k for k in (1, 3) if k < last]
    switches = {'step off': step_off, 'attention off': attention_off,
                EVEN: even_weights}
    columns = []
    for sample in pairs:
        progress(f'paper, parts: {sample.name}')
        *others, whole_image = lumas(
            loaded, sample, store, 'luma', nothing, [*early, last])
        column = {name: lumas(loaded, sample, store, f'luma_{_plain(name)}', switch, [last])[0]
                  for name, switch in switches.items()}
        column |= {f'stage {k} of {last}': image for k, image in zip(early, others)}
        columns.append({name: float(np.abs(image - whole_image).mean())
                        for name, image in column.items()})
    return [table(['', *(sample.name for sample in pairs)],
                  [[name, *(f'{column[name]:.2f}' for column in columns)]
                   for name in columns[0]])]


def worth(whole_network: Measured, even: Measured) -> str:
    """Say what the weights of the attribution are worth."""
    points = 100 * (scores(whole_network.counts).miou - scores(even.counts).miou)
    return (f'The weights of the attribution against w = 1/2: better in '
            f'{wins(whole_network.means, even.means)}, {points:+.1f} points of mIoU.')


def _quality(rows: Mapping[str, Measured]) -> str:
    return fusion_table({name: each.means for name, each in rows.items()}, USUAL,
                        {name: scores(each.counts).miou for name, each in rows.items()})


def _explained(loaded: Loaded, sample: Sample, attribution: str, steps: int) -> Switch:
    """Return the switch to what the network fuses when its attribution comes by autograd."""
    batch, network = whole(sample), loaded.network
    found = fuse_exactly(
        replace(network.spec, attribution=attribution), network.fusion, network.segmenter,
        batch.thermal, batch.luma, batch.chroma, steps=steps)
    return given([image.detach() for image in found.iterates])


def _plain(name: str) -> str:
    """Return a name fit for a folder."""
    return ''.join(c if c.isalnum() else '_' for c in name)
