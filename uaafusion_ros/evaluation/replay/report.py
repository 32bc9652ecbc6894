"""A replay's result as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

_ARROWS = {'up': '↑', 'down': '↓', '': ''}


def number(value: float | None) -> str:
    """Write a value short: four significant digits, whole numbers as they are, – for none."""
    if value is None:
        return '–'
    return str(value) if isinstance(value, int) else f'{value:.4g}'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    rule = ['---', *['---:'] * (len(head) - 1)]
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, rule, *rows))


def check_sentence(check: Mapping[str, Any]) -> str:
    """Say what a threshold asks for and what came."""
    bounds = [f'{word} {number(check[key])}' for word, key in (
        ('at least', 'minimum'), ('at most', 'maximum')) if check[key] is not None]
    value = 'not measured' if check['value'] is None else number(check['value'])
    return f"{check['metric']} {check['statistic']} is {value}; asked is {' and '.join(bounds)}"


def fused_and_alone(metrics: Mapping[str, Any]) -> str:
    """Say how many pairs were fused, and how many images went on alone."""
    fused, alone = (metrics['counts'][key] for key in ('fused', 'shown'))
    return f'{fused} pairs fused' + (f', {alone} of one camera alone' if alone else '')


def markdown(metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> str:
    """Return the report: verdict, problems, checks, summary, segmentation, counts, inputs."""
    inputs = metrics['inputs']
    parts = [f"# Replay of {inputs['bag']['name']}",
             f"Verdict: **{metrics['verdict']}**, bag {metrics['status']}, "
             f"{fused_and_alone(metrics)}."]
    if metrics['problems']:
        parts.append('\n'.join(f'- {problem}' for problem in metrics['problems']))
    if metrics['checks']:
        parts += ['## Checks', '\n'.join(
            f"- {'pass' if check['passed'] else '**FAIL**'}: {check_sentence(check)}"
            for check in metrics['checks'])]
    parts += ['## Metrics', table(
        ['metric', 'mean', 'median', 'p05', 'p95', 'min', 'max', 'n'],
        [[f"{name} {_ARROWS[row['direction']]} {row['unit']}".strip(),
          *(number(row[key]) for key in ('mean', 'median', 'p05', 'p95', 'min', 'max', 'n'))]
         for name, row in metrics['summary'].items()])]
    if metrics['segmentation']:
        found = metrics['segmentation']
        parts += ['## Segmentation',
                  f"mIoU {number(found['miou'])}, mAcc {number(found['macc'])} over the classes "
                  'that have label pixels.',
                  table(['class', 'IoU', 'label pixels'],
                        [[row['name'], number(row['iou']), str(row['pixels'])]
                         for row in found['classes']])]
    parts += ['## Counts', table(['what', 'count'], [
        [key, str(count)] for key, count in metrics['counts'].items() if count])]
    parts += ['## Time', table(['stage', 'p50 ms', 'p95 ms', 'p99 ms'], [
        [name, *(f'{row[key]:.2f}' for key in ('p50', 'p95', 'p99'))]
        for name, row in timing['stages'].items()])]
    model = inputs['model']
    parts += ['## Inputs', table(['input', 'what', 'sha256'], [
        ['bag', f"{inputs['bag']['name']} ({inputs['bag']['storage']}, "
                f"{inputs['bag']['bytes']} bytes)", inputs['bag']['sha256']],
        ['model', f"{model['file']} ({model['preset']}, {model['precision']}, "
                  f"{model['backend']})", model['sha256']],
        ['config', f"{len(inputs['config']['values'])} settings", inputs['config']['sha256']]])]
    parts.append(', '.join(
        f'{role}: {topic}' for role, topic in inputs['topics'].items() if topic))
    parts.append(f"uaafusion_ros {metrics['version']}")
    return '\n\n'.join(parts) + '\n'
