"""The parameter table: its checks and its file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.parameters.table import DEFAULTS
from uaafusion_ros.parameters.table import normalised
from uaafusion_ros.parameters.table import TABLE

ROOT = Path(__file__).resolve().parents[2]
NAN, INF = float('nan'), float('inf')


def test_defaults_are_accepted_by_their_own_rows():
    """Names are unique and each default is valid as it stands."""
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert normalised(DEFAULTS) == dict(DEFAULTS)


@pytest.mark.parametrize('name, value, stored', [
    ('sync.slop_ms', 20, 20.0), ('sync.slop_ms', 0.0, 0.0), ('sync.slop_ms', 100, 100.0),
    ('thermal.percentiles', [2, 98], (2.0, 98.0)), ('thermal.range', [-40.0, 120.0], (-40.0, 120)),
    ('engine.warmup_size', [640, 480], (640, 480)), ('sync.queue_size', 2, 2),
    ('registration.translation_m', [0, 0.05, -0.1], (0.0, 0.05, -0.1)),
    ('registration.rotation', [0, 0, 0.6, 0.8], (0.0, 0.0, 0.6, 0.8)),
])
def test_accepted_values_take_their_own_type(name, value, stored):
    """YAML's integers become doubles; both ends of a range belong to it."""
    got = normalised({name: value})[name]
    assert got == stored and type(got) is type(DEFAULTS[name])


@pytest.mark.parametrize('name, value, accepted', [
    ('sync.slop_ms', -0.1, '0.0 to 100.0 ms'), ('sync.slop_ms', 100.1, '0.0 to 100.0 ms'),
    ('sync.slop_ms', NAN, 'finite'), ('sync.slop_ms', INF, 'finite'),
    ('sync.slop_ms', '20', 'number'), ('sync.slop_ms', True, 'number'),
    ('sync.slop_ms', None, 'number'), ('sync.slop_ms', [20.0], 'number'),
    ('sync.queue_size', 1, '2 to 500'), ('sync.queue_size', 10.0, 'integer'),
    ('sync.queue_size', True, 'integer'), ('autostart', 1, 'true or false'),
    ('sync.policy', 'Nearest', 'nearest, approximate, exact'), ('model.path', 7, 'string'),
    ('thermal.percentiles', [99.0, 1.0], 'low < high'), ('thermal.percentiles', [5.0], 'two'),
    ('thermal.percentiles', [1.0, 2.0, 3.0], 'low < high'), ('thermal.percentiles', 5.0, 'two'),
    ('thermal.percentiles', [0.0, 101.0], '100.0'), ('thermal.percentiles', [NAN, 9.0], 'low'),
    ('registration.rotation', [0.0, 0.0, 0.0, 0.5], 'of length 1'),
    ('registration.rotation', [0.0, 0.0, 1.0], 'four finite'),
    ('registration.translation_m', [0.0, NAN, 0.0], 'three finite'),
    ('registration.translation_m', [0.0, 101.0, 0.0], '-100.0 to 100.0 m'),
    ('thermal.percentiles', ['1', '2'], 'two'), ('engine.warmup_size', [1.5, 2.0], 'integers'),
])
def test_refused_values_name_key_value_and_range(name, value, accepted):
    """Each refusal can be mended from its text alone."""
    with pytest.raises(ParameterError) as error:
        normalised({name: value})
    assert name in str(error.value) and repr(value) in str(error.value)
    assert accepted in str(error.value)


def test_all_faults_of_a_set_are_told_at_once():
    """An unknown name comes with its neighbour, beside the refused value."""
    with pytest.raises(ParameterError) as error:
        normalised({'sync.slop': 1.0, 'overlay.alpha': 2.0, 'sync.slop_ms': 5.0})
    assert "did you mean 'sync.slop_ms'" in str(error.value)
    assert 'overlay.alpha = 2.0' in str(error.value)


def test_the_shipped_file_lists_every_parameter_with_its_default():
    """config/fusion.yaml has each name once, with the table's default and its description."""
    def flat(tree, prefix=''):
        for key, value in tree.items():
            if isinstance(value, dict):
                yield from flat(value, f'{prefix}{key}.')
            else:
                yield f'{prefix}{key}', value

    text = (ROOT / 'config/fusion.yaml').read_text()
    listed = dict(flat(yaml.safe_load(text)['/**/fusion_node']['ros__parameters']))
    assert set(listed) == set(DEFAULTS)
    assert normalised(listed) == dict(DEFAULTS)
    comments = ' '.join(' '.join(text.replace('#', ' ').split()).split())
    for row in TABLE:
        assert row.description in comments and row.accepted in comments, row.name
