"""The section on segmentation: what an input is worth to networks trained alike."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.results.fusion import not_measured
from benchmarks.results.measure import progress
from benchmarks.results.store import key_of
from benchmarks.results.store import Store
from benchmarks.results.tables import segmentation_table
from train.batches import whole
from train.config import Loss
from train.data import Sample
from train.deploy import correct_prior
from train.deploy import finished
from train.segmentation_phase import class_map
from train.views import ALONE
from train.views import fused_by
from train.views import View
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

NAMES = {'rgb': 'RGB only', 'thermal': 'thermal only', 'mean': 'mean of both', 'fused': 'fused'}
AIM = 3.0  # points of mIoU that fusion should gain over either source


def views(joint: Path) -> dict[str, View]:
    """Return what each input shows; 'fused' is missing where there is no joint checkpoint."""
    try:
        return {**ALONE, 'fused': fused_by(finished(joint, Loss().prior_correction)[0])}
    except CheckpointError:
        return dict(ALONE)


def trained_on_one(path: Path) -> tuple[UAAFusion, str]:
    """
    Return a network whose segmenter was trained on one input, and that input's name.

    The prior is corrected as in the shipped one. Raises CheckpointError.
    """
    tensors, meta = checkpoint.load(path)
    if meta.get('part') != 'segmenter' or 'class_weights' not in meta:
        raise CheckpointError(f"{path}: holds no segmenter trained on one input; train it by "
                              'train/configs/input_*.yaml')
    network = UAAFusion(preset(meta['preset']))
    checkpoint.put(network.segmenter, tensors, path, meta['preset'])
    network.eval().requires_grad_(False)
    correct_prior(network, meta['class_weights'], Loss().prior_correction)
    return network, meta['config']['views']


def counts_of(network: UAAFusion, view: View, samples: Sequence[Sample], classes: int,
              store: Store, key: str) -> np.ndarray:
    """Return the confusion counts of the segmenter's masks of one view of all pairs."""
    total = np.zeros((classes, classes), np.int64)
    for number, sample in enumerate(samples, 1):
        progress(f'{key}: {number}/{len(samples)}')
        batch = whole(sample)

        def compute() -> list[np.ndarray]:
            with torch.no_grad():
                return [class_map(network.segmenter(*view(batch)))]
        mask, = store.images(key, sample.name, ['mask'], compute)
        total += confusion(mask, batch.label[0].numpy(), classes)
    return total


def of_run(path: Path, joint: Path, samples: Sequence[Sample], classes: int,
           store: Store) -> np.ndarray:
    """Return the counts of a segmenter trained on one input, shown that input."""
    network, name = trained_on_one(path)
    shown = views(joint)
    if name not in shown:
        raise CheckpointError(f"{joint}: missing or of another phase; it fuses the input '{name}'")
    return counts_of(network, shown[name], samples, classes, store, _key(path, joint, name))


def section(runs: Path, joint: Path, shipped: Mapping[str, np.ndarray],
            samples: Sequence[Sample], classes: Sequence[str], store: Store) -> list[str]:
    """Return the paragraphs; `shipped` holds the counts of the shipped models' own masks."""
    found, missing = {}, []
    for view, name in NAMES.items():
        path = runs / f'input_{view}' / 'best.safetensors'
        try:
            found[name] = of_run(path, joint, samples, len(classes), store)
        except UaafusionError as error:
            missing.append(not_measured(f'trained on {name}', error))
    text = []
    if found:
        text += ['Each trained on one input alone and shown that input, alike in all else '
                 '(train/configs/input_*.yaml):', segmentation_table(found, classes)]
        text += gains({name: scores(each).miou for name, each in found.items()})
    text += missing
    one = dict(shipped)
    try:
        network, _ = finished(joint, Loss().prior_correction)
        for view, show in ALONE.items():
            one[f'uaafusion fast, shown {NAMES[view]}'] = counts_of(
                network, show, samples, len(classes), store, key_of(joint, f'mask_{view}'))
    except UaafusionError as error:
        missing = [not_measured('the shipped segmenter on other inputs', error)]
    else:
        missing = []
    if one:
        text += ['For comparison what ships: trained for longer and on all inputs, so that its '
                 'rows say what one network makes of each input, not what an input is worth:',
                 segmentation_table(one, classes)]
    return text + missing


def gains(miou: Mapping[str, float]) -> list[str]:
    """Say what fusion gains over each source, in points, and whether that is what it should."""
    if NAMES['fused'] not in miou:
        return []
    parts, reached = [], True
    for view in ('rgb', 'thermal', 'mean'):
        if NAMES[view] in miou:
            points = 100 * (miou[NAMES['fused']] - miou[NAMES[view]])
            parts.append(f'{points:+.1f} points against {NAMES[view]}')
            reached = reached and (view == 'mean' or points >= AIM)
    verdict = 'is reached' if reached else 'is not reached'
    return [f'Fused: {", ".join(parts)}. The aim of {AIM:g} points over either source alone '
            f'{verdict}.'] if parts else []


def _key(path: Path, joint: Path, name: str) -> str:
    """Return a key that names both files where both decide."""
    if name != 'fused':
        return key_of(path, f'mask_{name}')
    return key_of(path, f'mask_{name}_{key_of(joint, "joint")}')
