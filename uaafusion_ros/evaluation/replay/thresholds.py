"""Limits that a replay has to keep, from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import difflib
import math
from pathlib import Path
from typing import Any

import yaml

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.replay.stream_metrics import MEASURES
from uaafusion_ros.stream.pairing import STREAMS
from uaafusion_ros.stream.timeline import Drop

STATISTICS = ('mean', 'median', 'p05', 'p95', 'min', 'max', 'n')
VALUE = 'value'

_RATES = ('drop_share', 'miou', 'macc', 'frames')
_PREFIXES = ('iou.', 'mode.')
_COUNTS = (
    'paired', 'fused', 'shown', 'skipped', 'dropped.pair.late',
    *(f'dropped.{kind}.{reason}' for kind in ('pair', 'alone')
      for reason in ('failed', 'not_published')),
    'labels.received', 'labels.compared', 'labels.refused',
    *(f'{what}.{camera}' for camera in STREAMS for what in ('received', 'pending')),
    *(f'dropped.{camera}.{reason}' for camera in STREAMS
      for reason in (drop.value for drop in Drop)))
_SCALARS = (*_RATES, *_COUNTS)


@dataclass(frozen=True)
class Rule:
    """One limit: `minimum` <= statistic of metric <= `maximum`, inclusive; None is no limit."""

    metric: str
    statistic: str
    minimum: float | None
    maximum: float | None


def read_rules(path: Path) -> list[Rule]:
    """
    Read a list of {metric, statistic, minimum, maximum}.

    `statistic` may be left out: it is mean for what is measured per frame, and value, the only
    one, for counts and shares. Raises ParameterError naming the entry and, for an unknown
    metric, the nearest.
    """
    try:
        entries = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(
            f'{path} cannot be read as YAML ({str(error).splitlines()[0]})') from error
    if not isinstance(entries, list) or not entries:
        raise ParameterError(
            f'{path} holds no list; accepted are lines such as '
            '- {metric: Qabf, statistic: mean, minimum: 0.4}')
    rules = []
    for number, entry in enumerate(entries, 1):
        try:
            rules.append(_rule(entry))
        except ParameterError as error:
            raise ParameterError(f'{path}, entry {number}: {error}') from None
    return rules


def check(rules: Sequence[Rule], metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Hold every rule against the metrics of a replay; a value that was not measured fails.

    Returns rows of metric, statistic, value, minimum, maximum, passed.
    """
    scalars = _scalars(metrics)
    rows = []
    for rule in rules:
        if rule.statistic == VALUE:
            default = 0 if rule.metric.startswith('mode.') else None
            value = scalars.get(rule.metric, default)
        else:
            value = metrics['summary'].get(rule.metric, {}).get(rule.statistic)
        if value is not None and not math.isfinite(value):
            value = None
        passed = value is not None and (
            (rule.minimum is None or value >= rule.minimum)
            and (rule.maximum is None or value <= rule.maximum))
        rows.append({
            'metric': rule.metric, 'statistic': rule.statistic, 'value': value,
            'minimum': rule.minimum, 'maximum': rule.maximum, 'passed': passed})
    return rows


def drop_share(counts: Mapping[str, int], reference: str) -> float:
    """Return the share of the reference camera's images that were not fused."""
    expected = counts[f'received.{reference}'] - counts[f'pending.{reference}'] - counts['skipped']
    return 1 - counts['fused'] / expected if expected else float('nan')


def _rule(entry: Any) -> Rule:
    if not isinstance(entry, dict) or not isinstance(entry.get('metric'), str):
        raise ParameterError(f'{entry!r} has no metric; accepted is a mapping with metric, '
                             'minimum and / or maximum')
    unknown = sorted(set(map(str, entry)) - {'metric', 'statistic', 'minimum', 'maximum'})
    if unknown:
        raise ParameterError(
            f'there is no key {unknown[0]!r}; accepted are metric, statistic, minimum, maximum')
    metric = entry['metric']
    scalar = metric in _SCALARS or metric.startswith(_PREFIXES)
    if metric not in MEASURES and not scalar:
        names = {name.lower(): name for name in (*MEASURES, *_SCALARS)}
        near = difflib.get_close_matches(metric.lower(), names, n=1, cutoff=0.3)
        hint = f'; did you mean {names[near[0]]!r}?' if near else ''
        raise ParameterError(f'there is no metric {metric!r}{hint}')
    accepted = (VALUE,) if scalar else STATISTICS
    statistic = entry.get('statistic', VALUE if scalar else 'mean')
    if statistic not in accepted:
        raise ParameterError(
            f'{metric} has no statistic {statistic!r}; accepted are {", ".join(accepted)}')
    bounds = [entry.get('minimum'), entry.get('maximum')]
    if bounds == [None, None] or any(
            bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))
                                   or not math.isfinite(bound)) for bound in bounds):
        raise ParameterError(
            f'{metric} has minimum {bounds[0]!r} and maximum {bounds[1]!r}; accepted are numbers, '
            'at least one of them')
    return Rule(metric, statistic, *bounds)


def _scalars(metrics: Mapping[str, Any]) -> dict[str, float]:
    counts = metrics['counts']
    reference = metrics['inputs']['config']['values']['sync.reference']
    found = {**counts, 'frames': len(metrics['frames']),
             'drop_share': drop_share(counts, reference)}
    found.update((f'mode.{mode}', share) for mode, share in metrics['modes'].items())
    if metrics['segmentation']:
        found.update(miou=metrics['segmentation']['miou'], macc=metrics['segmentation']['macc'])
        found.update((f"iou.{row['name']}", row['iou'])
                     for row in metrics['segmentation']['classes'])
    return found
