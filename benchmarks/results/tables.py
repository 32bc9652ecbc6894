"""Markdown tables of what was measured, and who wins."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from uaafusion_ros.evaluation.fusion_metrics import METRICS
from uaafusion_ros.evaluation.segmentation_metrics import scores

USUAL = ('EN', 'SD', 'SF', 'MI', 'SCD', 'VIF', 'Qabf', 'SSIM')
# EN, AG and the like need three digits to tell methods apart, MSE does not.
DIGITS = {'MSE': 1}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table; all columns but the first are aligned to the right."""
    rule = ['---', *['---:'] * (len(head) - 1)]
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, rule, *rows))


def fusion_table(means: Mapping[str, Mapping[str, float]], only: Sequence[str] = (),
                 miou: Mapping[str, float] | None = None) -> str:
    """
    Return one row per method and one column per metric, all of them or those in `only`.

    `miou` (0 to 1) adds a column in percent, with a dash for a method without.
    """
    metrics = [m for m in METRICS if not only or m.name in only]
    head = ['', *(f'{m.name} {"↑" if m.higher_is_better else "↓"}' for m in metrics)]
    rows = [[name, *(f'{row[m.name]:.{DIGITS.get(m.name, 3)}f}' for m in metrics)]
            for name, row in means.items()]
    if miou is not None:
        head.append('mIoU ↑')
        for row in rows:
            row.append(f'{100 * miou[row[0]]:.1f}' if row[0] in miou else '—')
    return table(head, rows)


def wins(ours: Mapping[str, float], other: Mapping[str, float]) -> str:
    """Say how many of the usual metrics are strictly better, and which are not."""
    up = {metric.name: metric.higher_is_better for metric in METRICS}
    lost = [name for name in USUAL if not (
        ours[name] > other[name] if up[name] else ours[name] < other[name])]
    text = f'{len(USUAL) - len(lost)} of {len(USUAL)}'
    return f'{text} (not {", ".join(lost)})' if lost else text


def wins_table(means: Mapping[str, Mapping[str, float]], ours: Sequence[str]) -> str:
    """Return one row per method of ours and one column per other."""
    others = [name for name in means if name not in ours]
    return table(['', *(f'against {name}' for name in others)],
                 [[name, *(wins(means[name], means[other]) for other in others)]
                  for name in ours])


def segmentation_table(counts: Mapping[str, np.ndarray], classes: Sequence[str]) -> str:
    """Return one row per mask and one column per class that has label pixels, in percent."""
    results = {name: scores(each) for name, each in counts.items()}
    absent = next(iter(results.values())).absent
    present = [(k, c) for k, c in enumerate(classes) if k not in absent]
    text = table(
        ['', *(name for _, name in present), 'mIoU', 'mAcc'],
        [[name, *(f'{100 * s.iou[k]:.1f}' for k, _ in present), f'{100 * s.miou:.1f}',
          f'{100 * s.macc:.1f}'] for name, s in results.items()])
    left_out = ', '.join(classes[k] for k in absent) or 'none'
    return f'{text}\n\nWithout a label pixel here, and left out of the means: {left_out}.'
