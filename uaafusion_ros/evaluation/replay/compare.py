"""Two replays of one bag side by side."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import json
from math import isclose
from pathlib import Path
from typing import Any

from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.replay.report import number
from uaafusion_ros.evaluation.replay.report import table
from uaafusion_ros.evaluation.replay.thresholds import drop_share

SCHEMA = 1

# Runtimes round differently in the last digits; that makes no model better.
_SAME = 1e-5
_KEYS = ('counts', 'inputs', 'modes', 'segmentation', 'summary', 'version')


@dataclass(frozen=True)
class Row:
    """One metric: its values (None where not measured) and which way is better."""

    name: str
    a: float | None
    b: float | None
    direction: str

    @property
    def verdict(self) -> str:
        """Return better, worse, equal, or nothing where it cannot be said."""
        if self.a is None or self.b is None:
            return ''
        if isclose(self.a, self.b, rel_tol=_SAME, abs_tol=_SAME):
            return 'equal'
        if not self.direction:
            return ''
        return 'better' if (self.b > self.a) == (self.direction == 'up') else 'worse'

    @property
    def worse_percent(self) -> float:
        """By how much of A's value B is worse, in percent; 0 where it is not worse."""
        if self.verdict != 'worse':
            return 0.0
        return abs(self.b - self.a) / abs(self.a) * 100 if self.a else float('inf')


def load(path: Path) -> dict[str, Any]:
    """Read a metrics.json, or that of a folder; raises ParameterError if it is none or empty."""
    if path.is_dir():
        path /= 'metrics.json'
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ParameterError(f'{path} cannot be read as JSON ({error}); give the metrics.json '
                             'of a replay, or its folder') from error
    if not isinstance(content, dict) or any(key not in content for key in _KEYS):
        raise ParameterError(f'{path} is no metrics.json of `uaafusion replay`')
    if content.get('schema') != SCHEMA:
        raise ParameterError(f"{path} has schema {content.get('schema')!r}, this version reads "
                             f'{SCHEMA}; replay the bag again')
    if not content['counts'].get('fused'):
        raise ParameterError(f'{path} is of a replay that fused no pair; there is nothing to '
                             'compare')
    return content


def compare(a: Mapping[str, Any], b: Mapping[str, Any], anyway: bool = False) -> list[Row]:
    """
    Return a row per metric: means of the measures, then mIoU, IoU, drops and modes.

    Raises BagError if the two come from different bags, unless `anyway`.
    """
    bags = [content['inputs']['bag'] for content in (a, b)]
    if bags[0]['sha256'] != bags[1]['sha256'] and not anyway:
        raise BagError(
            f"the replays are of different bags ({bags[0]['name']} {bags[0]['sha256'][:12]}, "
            f"{bags[1]['name']} {bags[1]['sha256'][:12]}); numbers of different scenes say "
            'nothing about the models: replay one bag with both, or add --anyway')
    values = [_values(content) for content in (a, b)]
    names = {name: direction for side in values for name, (_, direction) in side.items()}
    return [Row(name, values[0].get(name, (None, ''))[0], values[1].get(name, (None, ''))[0],
                direction) for name, direction in names.items()]


def markdown(rows: Sequence[Row]) -> str:
    """Return the comparison as a table."""
    arrows = {'up': '↑', 'down': '↓', '': ''}
    return table(['metric', 'A', 'B', 'B - A', 'B is'], [
        [f'{row.name} {arrows[row.direction]}'.strip(), number(row.a), number(row.b),
         '–' if row.a is None or row.b is None else f'{row.b - row.a:+.4g}', row.verdict]
        for row in rows]) + '\n'


def _values(content: Mapping[str, Any]) -> dict[str, tuple[float | None, str]]:
    values = {name: (row['mean'], row['direction']) for name, row in content['summary'].items()}
    if content['segmentation']:
        found = content['segmentation']
        values['miou'], values['macc'] = (found['miou'], 'up'), (found['macc'], 'up')
        values.update((f"iou.{row['name']}", (row['iou'], 'up')) for row in found['classes'])
    reference = content['inputs']['config']['values']['sync.reference']
    values['drop_share'] = (drop_share(content['counts'], reference), 'down')
    values.update((f'mode.{mode}', (share, 'up' if mode == 'fused' else ''))
                  for mode, share in content['modes'].items())
    return values
