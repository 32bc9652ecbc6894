"""A method over all pairs, and the Markdown tables of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import sys

import numpy as np

from benchmarks.results.methods import gray
from benchmarks.results.methods import Method
from train.data import Sample
from uaafusion_ros.evaluation.fusion_metrics import evaluate
from uaafusion_ros.evaluation.fusion_metrics import METRICS
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.evaluation.target_contrast import Instance
from uaafusion_ros.evaluation.target_contrast import instances
from uaafusion_ros.evaluation.target_contrast import SHARES
from uaafusion_ros.evaluation.target_contrast import summary

TARGETS = ('car', 'person', 'bike')
USUAL = ('EN', 'SD', 'SF', 'MI', 'SCD', 'VIF', 'Qabf', 'SSIM')
# EN, AG and the like need three digits to tell methods apart, MSE does not.
DIGITS = {'MSE': 1}


@dataclass
class Measured:
    """Means of the metrics, confusion counts of a method with masks, and every target."""

    means: dict[str, float] = field(default_factory=dict)
    counts: np.ndarray | None = None
    found: list[Instance] = field(default_factory=list)


def measure(method: Method, samples: Sequence[Sample], classes: Sequence[str],
            metrics: bool = True) -> Measured:
    """
    Measure one method, on gray images of 8 bits.

    Thermal is taken as it is, RGB and fused colour images as BT.601 luma, rounded. Classes that a
    label does not rule out count as background in a mask.
    """
    rows, result = [], Measured()
    ids = [index for index, name in enumerate(classes) if name in TARGETS]
    for number, sample in enumerate(samples, 1):
        if sys.stderr.isatty():
            print(f'\r\033[K{method.name}: {number}/{len(samples)}', end='', file=sys.stderr)
        fused, mask = method.fuse(sample)
        images = sample.thermal, gray(sample.rgb), gray(fused)
        if metrics:
            rows.append(evaluate(*images))
        if mask is not None:
            told = np.where(np.isin(mask, sample.hidden), 0, mask)
            counts = confusion(told, sample.label, len(classes))
            result.counts = counts if result.counts is None else result.counts + counts
        result.found += instances(*images, sample.label, ids)
    if rows:
        result.means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return result


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table; all columns but the first are aligned to the right."""
    rule = ['---', *['---:'] * (len(head) - 1)]
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, rule, *rows))


def fusion_table(means: Mapping[str, Mapping[str, float]], only: Sequence[str] = ()) -> str:
    """Return one row per method and one column per metric, all of them or those in `only`."""
    metrics = [m for m in METRICS if not only or m.name in only]
    return table(
        ['', *(f'{m.name} {"↑" if m.higher_is_better else "↓"}' for m in metrics)],
        [[name, *(f'{row[m.name]:.{DIGITS.get(m.name, 3)}f}' for m in metrics)]
         for name, row in means.items()])


def wins(ours: Mapping[str, float], other: Mapping[str, float]) -> str:
    """Say how many of the usual metrics are strictly better, and which are not."""
    up = {metric.name: metric.higher_is_better for metric in METRICS}
    lost = [name for name in USUAL if not (
        ours[name] > other[name] if up[name] else ours[name] < other[name])]
    text = f'{len(USUAL) - len(lost)} of {len(USUAL)}'
    return f'{text} (not {", ".join(lost)})' if lost else text


def segmentation_table(counts: Mapping[str, np.ndarray], classes: Sequence[str]) -> str:
    """Return one row per mask and one column per class that has label pixels, in percent."""
    results = {name: scores(each) for name, each in counts.items()}
    absent = next(iter(results.values())).absent
    present = [(k, c) for k, c in enumerate(classes) if k not in absent]
    text = table(
        ['', *(name for _, name in present), 'mIoU', 'mAcc'],
        [[name, *(f'{100 * s.iou[k]:.1f}' for k, _ in present), f'{100 * s.miou:.1f}',
          f'{100 * s.macc:.1f}'] for name, s in results.items()])
    left_out = ', '.join(classes[k] for k in absent)
    return f'{text}\n\nWithout a label pixel here, and left out: {left_out}.' if absent else text


def contrast_table(found: Mapping[str, Sequence[Instance]], classes: Sequence[str]) -> str:
    """Return one row per method; of each labelled target class the contrast and what is kept."""
    labelled = {item.class_id for each in found.values() for item in each}
    ids = {name: classes.index(name) for name in TARGETS
           if name in classes and classes.index(name) in labelled}
    head = [f'{name}: {what}' for name in ids
            for what in ('levels', *(f'≥ {100 * share:.0f} %' for share in SHARES))]
    rows, best = [], []
    for method, each in found.items():
        of_class = [summary([x for x in each if x.class_id == k]) for k in ids.values()]
        rows.append([method, *(text for s in of_class for text in (
            f'{s.fused:.1f}', *(f'{100 * share:.0f}' for share in s.shares)))])
        best = [f'{s.count} {name} ({s.best:.1f} levels)' for name, s in zip(ids, of_class)]
    return (table(['', *head], rows)
            + f'\n\nInstances, and their mean contrast in the better source: {", ".join(best)}.')
