"""Settings: their checks, and the files that are made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from uaafusion_ros.cli.parameters import fusion_yaml
from uaafusion_ros.cli.parameters import parameters_markdown
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.replay.settings import read_settings
from uaafusion_ros.settings import PARAMETERS
from uaafusion_ros.settings import Settings
from uaafusion_ros.settings import SyncSettings

ROOT = Path(__file__).resolve().parents[1]
NAN, INF = float('nan'), float('inf')


def test_a_parameter_is_a_typed_value_of_its_section():
    """By full name and by attribute; what did not change is equal, whatever was set."""
    before = Settings()
    now = before.changed({'sync.slop_ms': 20, 'sync.queue_size': 10, 'mode.timeout_s': 0.5})
    assert now.sync == SyncSettings(slop_ms=20.0) != before.sync
    assert now.mode == before.mode and now.thermal == before.thermal
    assert {name for name, value in now.values().items() if value != before.values()[name]} == {
        'sync.slop_ms'}
    assert before.changed(before.values()) == before


@pytest.mark.parametrize('name, value, stored', [
    ('sync.slop_ms', 20, 20.0), ('sync.slop_ms', 0.0, 0.0), ('sync.slop_ms', 100, 100.0),
    ('thermal.percentiles', [2, 98], (2.0, 98.0)), ('thermal.range', [-40.0, 120.0], (-40.0, 120)),
    ('engine.warmup_size', [640, 480], (640, 480)), ('sync.queue_size', 2, 2),
    ('registration.translation_m', [0, 0.05, -0.1], (0.0, 0.05, -0.1)),
    ('registration.rotation', [0, 0, 0.6, 0.8], (0.0, 0.0, 0.6, 0.8)),
])
def test_accepted_values_take_their_own_type(name, value, stored):
    """YAML's integers become doubles; both ends of a range belong to it."""
    got = Settings().changed({name: value}).values()[name]
    assert got == stored and type(got) is type(PARAMETERS[name].default)


@pytest.mark.parametrize('name, value, accepted', [
    ('sync.slop_ms', -0.1, '0.0 to 100.0 ms'), ('sync.slop_ms', 100.1, '0.0 to 100.0 ms'),
    ('sync.slop_ms', NAN, 'finite'), ('sync.slop_ms', INF, 'finite'),
    ('sync.slop_ms', '20', 'number'), ('sync.slop_ms', True, 'number'),
    ('sync.slop_ms', None, 'number'), ('sync.slop_ms', [20.0], 'number'),
    ('sync.queue_size', 1, '2 to 500'), ('sync.queue_size', 10.0, 'integer'),
    ('sync.queue_size', True, 'integer'), ('autostart', 1, 'true or false'),
    ('sync.policy', 'Nearest', 'nearest, approximate, exact'),
    ('thermal.scaling', 'auto', 'percentile, fixed, clahe'), ('thermal.gain', 0.0, '1e-06'),
    ('thermal.offset', INF, 'finite'), ('thermal.clahe_clip', 0.0, '0.1 to 100.0'),
    ('thermal.smoothing_s', NAN, 'finite'), ('thermal.range', [5.0, 5.0], 'low < high'),
    ('registration.mode', 'magic', 'homography'), ('registration.plane_distance_m', 0.0, '0.05'),
    ('model.path', 7, 'string'),
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
        Settings().changed({name: value})
    assert name in str(error.value) and repr(value) in str(error.value)
    assert accepted in str(error.value)


def test_all_faults_of_a_set_are_told_at_once():
    """An unknown name comes with its neighbour, beside the refused value."""
    with pytest.raises(ParameterError) as error:
        Settings().changed({'sync.slop': 1.0, 'overlay.alpha': 2.0, 'sync.slop_ms': 5.0})
    assert "did you mean 'sync.slop_ms'" in str(error.value)
    assert 'overlay.alpha = 2.0' in str(error.value)


def test_no_section_can_be_made_of_a_refused_value():
    """The check is that of the parameters, wherever settings are made."""
    with pytest.raises(ParameterError, match=r'sync.slop_ms = 200 .*; sync.queue_size = 1 '):
        SyncSettings(slop_ms=200, queue_size=1)


@pytest.mark.parametrize('file, text', [
    ('docs/parameters.md', parameters_markdown()), ('config/fusion.yaml', fusion_yaml())])
def test_generated_files_are_fresh(file, text):
    assert (ROOT / file).read_text() == text, 'run: make docs'


def test_the_documentation_holds_every_parameter_once_and_experts_last():
    everyone, experts = parameters_markdown().split('## For experts')
    for name, each in PARAMETERS.items():
        part, other = (experts, everyone) if each.expert else (everyone, experts)
        assert part.count(f'| `{name}` |') == 1 and f'| `{name}` |' not in other, name
        assert each.description in part and each.accepted in part, name


def test_the_shipped_file_holds_what_is_for_everyone_with_its_default(tmp_path):
    """For a node of any name; each default there is read, not assumed."""
    text = (ROOT / 'config/fusion.yaml').read_text()
    assert list(yaml.safe_load(text)) == ['/**']
    assert read_settings(ROOT / 'config/fusion.yaml', {}) == Settings()
    comments = ' '.join(' '.join(text.replace('#', ' ').split()).split())
    for name, each in PARAMETERS.items():
        tree = yaml.safe_load(text)['/**']['ros__parameters']
        for key in name.split('.'):
            tree = tree.get(key, {}) if isinstance(tree, dict) else {}
        listed = tuple(tree) if isinstance(tree, list) else tree
        assert listed == ({} if each.expert else each.default), name
        assert each.expert or (each.description in comments and each.accepted in comments), name
