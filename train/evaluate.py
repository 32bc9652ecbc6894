"""
Figures of a finished run: those of its phase, of the fused images, and of each pair's mask.

What is told of each pair is enough to pool runs over folds and to compare them, without a network.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from train.batches import Share
from train.config import Config
from train.fabric import accelerator
from train.joint_phase import JointPhase
from train.loop import Phase
from train.pictures import pictures
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.evaluation.fusion_metrics import evaluate as measure
from uaafusion_ros.network import checkpoint


def evaluate(phase: Phase, config: Config) -> dict[str, Any]:
    """
    Measure `<run>/best.safetensors` on the phase's validation pairs, print and return the result.

    It is written to `<run>/evaluation.json` as well. 'figures' are those the phase validates by;
    'fusion' the means of docs/metrics.md over the pairs, of the fused luma in 8 bits, and 'pairs'
    the same of each pair. A value that is not defined for every pair is null. Of the joint phase
    'judged' has, by pair, 'counts' (C x C, label by mask) and 'targets': class id, area, kept and
    best contrast of every labelled one. Raises CheckpointError where the checkpoint is missing,
    damaged or of another network.
    """
    path = Path(config.run) / 'best.safetensors'
    tensors, meta = checkpoint.load(path)
    for key in ('part', 'preset', 'classes'):
        if meta.get(key) != phase.meta.get(key):
            raise CheckpointError(f'{path}: its {key} is {meta.get(key)!r}, that of the settings '
                                  f'{phase.meta.get(key)!r}; evaluate it with its own settings')
    phase.share = Share(device=torch.device(accelerator(config)))
    module = phase.module.to(phase.share.device)
    checkpoint.put(module, tensors, path, meta['preset'])
    module.eval()
    with torch.no_grad():
        _, figures = phase.validate(module)
        pairs = _fusion(phase)
        judged = _judged(phase)
    names = next(iter(pairs.values()), {})
    result = {
        'checkpoint': str(path), 'phase': config.phase, 'preset': config.preset,
        'step': meta['step'], 'classes': list(meta.get('classes', ())), 'figures': figures,
        'fusion': {name: float(np.mean([row[name] for row in pairs.values()])) for name in names},
        'pairs': pairs, 'judged': judged}
    written = path.parent / 'evaluation.json'
    partial = written.with_suffix('.partial')
    partial.write_text(json.dumps(_defined(result)) + '\n')
    partial.replace(written)
    print(table(f'{path}, step {meta["step"]}, {len(phase.val)} pairs',
                figures | result['fusion']))
    return result


def table(title: str, values: dict[str, float]) -> str:
    """Format names and values in two columns under a title."""
    width = max(len(name) for name in values)
    return '\n'.join([title, *(f'  {name:{width}}  {v:10.4f}' for name, v in values.items())])


def _fusion(phase: Phase) -> dict[str, dict[str, float]]:
    """Return the fusion metrics by pair; none for a phase that does not fuse."""
    rows = {}
    for index, sample in enumerate(tqdm(phase.val, desc='pairs')):
        shown = pictures(phase, phase.module, index)
        if 'fused' not in shown:
            return {}
        rows[sample.name] = measure(shown['thermal'], shown['luma'], shown['fused'])
    return rows


def _judged(phase: Phase) -> dict[str, dict[str, Any]]:
    """Return what each mask and each target came to; none where a phase has no whole network."""
    if not isinstance(phase, JointPhase):
        return {}
    rows = {}
    for sample in phase.val:
        found = phase.judge(phase.module, sample)
        rows[sample.name] = {
            'counts': found.counts.tolist(),
            'targets': [{'class': item.class_id, 'area': item.area, 'kept': item.kept,
                         'best': item.best} for item in found.found]}
    return rows


def _defined(value: Any) -> Any:
    """Return `value` with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
