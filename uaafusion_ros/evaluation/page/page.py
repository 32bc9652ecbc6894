"""The report on one bag: verdict, checks, plots over time, and frames to compare."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

import numpy as np

from uaafusion_ros.evaluation.page.document import number
from uaafusion_ros.evaluation.page.document import write_document
from uaafusion_ros.evaluation.page.pictures import data_uri

GROUPS = {'worst': 'Worst', 'best': 'Best', 'spaced': 'Across the run'}
LAYERS = {'thermal': 'Thermal', 'rgb': 'RGB', 'fused': 'Fused', 'overlay': 'Overlay'}
STATISTICS = ('mean', 'median', 'p05', 'p95', 'min', 'max', 'n')


@dataclass(frozen=True, eq=False)
class Sample:
    """
    A frame to look at; `index` is that of the metrics' list of frames.

    `thermal` is uint8 HxW, `rgb`, `fused` and `overlay` uint8 HxWx3 RGB, on one pixel grid.
    """

    index: int
    stamp_ns: int
    rgb: np.ndarray
    thermal: np.ndarray
    fused: np.ndarray
    overlay: np.ndarray


def write_page(path: Path, metrics: dict, timing: dict, samples: Sequence[Sample]) -> None:
    """
    Write the report on one bag as one HTML file that opens offline.

    `metrics` and `timing` are what a replay measured (docs/replay.md has their fields); any value
    may be None. `samples` are the frames that `metrics['samples']` names, in any order. The file
    appears at once or not at all. Raises OSError.
    """
    checks = metrics['checks']
    inputs = metrics['inputs']
    write_document(
        path, 'page.html', ('base.css', 'page.css'),
        ('base.js', 'plot.js', 'viewer.js', 'page.js'),
        {
            'verdict': verdict(metrics),
            'metrics': metrics,
            'inputs': inputs,
            'facts': facts(metrics, timing),
            'checks': [{**check, 'symbol': symbol(check)} for check in checks],
            'failed': [failure(check) for check in checks if not check['passed']],
            'layers': LAYERS,
            'statistics': STATISTICS,
            'timing': timing,
            'counts': list(leaves(metrics['counts'])),
            'config': list(leaves(inputs['config']['values'])),
            'machine': list(leaves(timing.get('machine') or {})),
            'versions': list(leaves(timing.get('versions') or {})),
            'has_samples': bool(samples),
        },
        {**curves(metrics), 'layers': LAYERS, 'groups': GROUPS,
         'samples': [picture(sample, metrics) for sample in samples]})


def verdict(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Say the outcome in words: `kind` (a style), `word`, `sentence`."""
    checks = metrics['checks']
    failed = sum(not check['passed'] for check in checks)
    alone = metrics['counts'].get('shown', 0)
    frames = _count(len(metrics['frames']) - alone, 'fused pair') + (
        f' and {_count(alone, "image")} of one camera alone' if alone else '')
    kind = metrics['verdict']
    if kind == 'pass':
        sentence = f'{_every(len(checks))} on {frames}.'
    elif kind == 'fail' and failed:
        sentence = f'{failed} of {_count(len(checks), "check")} not met, on {frames}.'
    elif kind == 'fail':
        sentence = f'Nothing could be judged on {frames}.'
    else:
        sentence = f'No thresholds were given, so the numbers from {frames} are not judged.'
    word = {'pass': 'Pass', 'fail': 'Fail'}.get(kind, 'No verdict')
    if metrics['status'] != 'complete' and kind == 'pass':
        word, sentence = 'Pass so far', f'{sentence} The rest of the bag is not judged.'
    return {'kind': kind, 'word': word, 'sentence': sentence}


def bound(check: Mapping[str, Any]) -> str:
    """Write what a check asks for: `at least 0.3`, `0.3 to 0.5`."""
    low, high = check['minimum'], check['maximum']
    if low is not None and high is not None:
        return f'{number(low)} to {number(high)}'
    return f'at least {number(low)}' if low is not None else f'at most {number(high)}'


def symbol(check: Mapping[str, Any]) -> str:
    """Write what a check asks for in short: `≥ 0.3`, `0.3 to 0.5`."""
    return bound(check).replace('at least', '≥').replace('at most', '≤')


def failure(check: Mapping[str, Any]) -> str:
    """Say in a sentence why a check is not met."""
    # The statistic of counts and shares, of which there is one per bag, is called 'value'.
    statistic = '' if check['statistic'] == 'value' else f' ({check["statistic"]})'
    what = f'{check["metric"]}{statistic}'
    if check['value'] is None:
        return f'{what} could not be measured, {bound(check)} is required.'
    return f'{what} is {number(check["value"])}, {bound(check)} is required.'


def facts(metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pick the few numbers that everybody asks for first, as (name, value)."""
    stamps = [frame['stamp_ns'] for frame in metrics['frames']]
    found = [('fused pairs', number(len(stamps)))]
    if len(stamps) > 1:
        found.append(('recorded', f'{number((max(stamps) - min(stamps)) / 1e9)} s'))
    if metrics['segmentation']:
        found.append(('mIoU', number(metrics['segmentation']['miou'])))
    found += [(f'in mode {mode.replace("_", " ")}', f'{number(100.0 * share)} %')
              for mode, share in metrics['modes'].items()]
    if timing.get('frames_per_second') is not None:
        found.append(('pairs per second', number(timing['frames_per_second'])))
    if timing.get('overhead_share') is not None:
        found.append(('reading and pairing, of inference',
                      f'{number(100.0 * timing["overhead_share"])} %'))
    return found


def curves(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """
    Turn the frames into columns for the plots.

    Stamps become seconds since the first one: JavaScript's numbers cannot hold nanoseconds of
    our time. A series has values for the frames `at` which it was measured, not always all.
    """
    frames = metrics['frames']
    start = min((frame['stamp_ns'] for frame in frames), default=0)
    names = list(dict.fromkeys(
        [*metrics['summary'], *(name for frame in frames for name in frame['metrics'])]))
    modes = list(dict.fromkeys([*metrics['modes'], *(frame['mode'] for frame in frames)]))
    series = [
        {'name': name, **_column({n: frame['metrics'][name] for n, frame in enumerate(frames)
                                  if name in frame['metrics']}),
         'bounds': [{**check, 'bound': bound(check)} for check in metrics['checks']
                    if check['metric'] == name],
         **{key: metrics['summary'].get(name, {}).get(key)
            for key in ('unit', 'direction', 'median', 'p05', 'p95')}}
        for name in names]
    if 'skew_ms' not in names:
        skew = _column({n: frame['skew_ms'] for n, frame in enumerate(frames)})
        known = [value for value in skew['values'] if value is not None]
        series.append({
            'name': 'skew_ms', **skew, 'bounds': [], 'unit': 'ms', 'direction': '',
            'median': float(np.median(known)) if known else None})
    return {
        'indices': [frame['index'] for frame in frames],
        'seconds': [round((frame['stamp_ns'] - start) / 1e9, 4) for frame in frames],
        'modes': modes,
        'mode': [modes.index(frame['mode']) for frame in frames],
        'series': [one for one in series if any(v is not None for v in one['values'])],
    }


def picture(sample: Sample, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a sample for the viewer, its pictures as data URIs."""
    groups = metrics['samples']
    height, width = sample.fused.shape[:2]
    return {
        'index': sample.index, 'width': width, 'height': height,
        'places': {group: groups[group].index(sample.index)
                   for group in GROUPS if sample.index in groups.get(group, ())},
        'layers': {layer: data_uri(getattr(sample, layer)) for layer in LAYERS},
    }


def leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) of every value in nested mappings, lists as one text."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, str(key)))
        else:
            text = ', '.join(map(number, value)) if isinstance(value, (list, tuple)) else value
            yield '.'.join((*path, str(key))), text


def _column(values: Mapping[int, float | None]) -> dict[str, list]:
    return {'at': list(values), 'values': [
        None if value is None or not math.isfinite(value) else float(f'{value:.6g}')
        for value in values.values()]}


def _count(n: int, noun: str) -> str:
    return f'{n:,} {noun}' if n == 1 else f'{n:,} {noun}s'


def _every(n: int) -> str:
    return 'The one check is met' if n == 1 else f'All {n:,} checks are met'
