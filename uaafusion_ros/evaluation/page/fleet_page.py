"""The summary of many bags: one line each, sortable, with what all of them have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from uaafusion_ros.evaluation.page.document import number
from uaafusion_ros.evaluation.page.document import write_document

# Worst first: the order in which an engineer wants to see them.
OUTCOMES = {
    'failed': 'Not replayed', 'fail': 'Fail', 'partial': 'Partial', 'none': 'No verdict',
    'pass': 'Pass'}
_MARKS = {'failed': 'fail', 'fail': 'fail', 'partial': 'warn', 'none': '', 'pass': 'pass'}


@dataclass(frozen=True)
class BagResult:
    """
    What became of one bag of a fleet.

    `bag` is its path as it was given, `folder` its results' folder below the fleet's, empty where
    there are none. `state` is 'done', 'kept' (from an earlier call), 'partial' or 'failed',
    `reason` says why it is one of the last two. `metrics` are those of metrics.json without the
    frames, None for a failed bag; `pairs` were fused.
    """

    bag: str
    folder: str
    state: str
    reason: str
    pairs: int
    metrics: Mapping[str, Any] | None

    @property
    def outcome(self) -> str:
        """One of OUTCOMES: the verdict, unless the bag is not wholly replayed."""
        return self.state if self.state in ('partial', 'failed') else self.metrics['verdict']


def write_fleet_page(path: Path, results: Sequence[BagResult]) -> None:
    """
    Write the summary as one HTML file that opens offline and links to each bag's report.html.

    The links are relative: the fleet's folder can be moved as a whole. Raises OSError.
    """
    replayed = [result for result in results if result.metrics]
    measures = list(dict.fromkeys(name for one in replayed for name in one.metrics['summary']))
    write_document(path, 'fleet.html', ('base.css', 'fleet.css'), ('base.js', 'fleet.js'), {
        'verdict': verdict(results),
        'facts': facts(results),
        'measures': [(name, _first(replayed, name)) for name in measures],
        'rows': [row(result, measures) for result in sorted(
            results, key=lambda one: (list(OUTCOMES).index(one.outcome), one.bag))],
        'totals': [total(replayed, name) for name in measures],
        'pairs': sum(result.pairs for result in results),
        'miou': _weighted([(one.metrics['segmentation']['miou'], one.pairs)
                           for one in replayed if one.metrics['segmentation']]),
        'unmet': unmet(replayed),
        'models': sorted({(m['preset'], m['precision'], m['sha256']) for m in (
            one.metrics['inputs']['model'] for one in replayed)}),
        'configs': sorted({one.metrics['inputs']['config']['sha256'] for one in replayed}),
        'writers': sorted({one.metrics['version'] for one in replayed}),
    }, None)


def verdict(results: Sequence[BagResult]) -> dict[str, str]:
    """Say the outcome of all bags in words: `kind` (a style), `word`, `sentence`."""
    found = Counter(result.outcome for result in results)
    bags = f'{len(results):,} bag' if len(results) == 1 else f'{len(results):,} bags'
    if found['pass'] == len(results):
        return {'kind': 'pass', 'word': 'Pass', 'sentence': f'{bags}: every check is met.'}
    parts = ', '.join(f'{found[kind]} {word.lower()}' for kind, word in OUTCOMES.items()
                      if found[kind])
    if found['fail'] or found['failed'] or found['partial']:
        return {'kind': 'fail', 'word': 'Fail', 'sentence': f'{bags}: {parts}.'}
    return {'kind': 'none', 'word': 'No verdict', 'sentence': f'{bags}: {parts}.'}


def facts(results: Sequence[BagResult]) -> list[tuple[str, str]]:
    """Count the bags by outcome, and the pairs, as (name, value)."""
    found = Counter(result.outcome for result in results)
    return [('bags', number(len(results))),
            *((word.lower(), number(found[kind])) for kind, word in OUTCOMES.items()),
            ('fused pairs', number(sum(result.pairs for result in results)))]


def row(result: BagResult, measures: Sequence[str]) -> dict[str, Any]:
    """Describe one bag's line; `values` are per measure its mean and whether a check fails."""
    metrics = result.metrics or {}
    segmentation = metrics.get('segmentation') or {}
    failed = {check['metric'] for check in metrics.get('checks', ()) if not check['passed']}
    return {
        'bag': metrics['inputs']['bag']['name'] if metrics else Path(result.bag).name,
        'path': result.bag,
        'link': f'./{quote(result.folder)}/report.html' if result.folder else '',
        'outcome': OUTCOMES[result.outcome], 'mark': _MARKS[result.outcome],
        'rank': list(OUTCOMES).index(result.outcome),
        'reason': result.reason, 'pairs': result.pairs, 'miou': segmentation.get('miou'),
        'values': [(metrics.get('summary', {}).get(name, {}).get('mean'), name in failed)
                   for name in measures],
    }


def total(replayed: Sequence[BagResult], name: str) -> float | None:
    """Average a measure over the frames of all bags."""
    summaries = [one.metrics['summary'].get(name, {}) for one in replayed]
    return _weighted([(one.get('mean'), one.get('n') or 0) for one in summaries])


def unmet(replayed: Sequence[BagResult]) -> list[tuple[str, str, int]]:
    """Count the bags that miss a check, as (measure, statistic, bags), most first."""
    found = Counter((check['metric'], check['statistic'])
                    for one in replayed for check in one.metrics['checks'] if not check['passed'])
    return [(*check, bags) for check, bags in found.most_common()]


def _first(replayed: Sequence[BagResult], name: str) -> str:
    directions = {one.metrics['summary'].get(name, {}).get('direction', '') for one in replayed}
    return {'up': '↑', 'down': '↓'}.get(next(iter(directions - {''}), ''), '')


def _weighted(values: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in values if value is not None and weight]
    weights = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weights if weights else None
