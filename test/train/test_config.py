"""Settings: typed, and a slip names its nearest neighbour."""

from pathlib import Path

import pytest

from train import config
from uaafusion_ros.errors import ParameterError

CONFIGS = sorted((Path(__file__).parents[2] / 'train' / 'configs').glob('*.yaml'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path):
    loaded = config.load(path, ['optim.lr=3e-4', 'seed=7'])
    assert loaded.optim.lr == 3e-4
    assert loaded.seed == 7
    assert loaded.data.train


@pytest.mark.parametrize('override,message', [
    ('optim.stepz=3', "unknown setting 'optim.stepz'; did you mean 'optim.steps'?"),
    ('opttim.steps=3', "unknown setting 'opttim'; did you mean 'optim'?"),
    ('zzzz=3', "unknown setting 'zzzz'; known: "),
    ('optim.steps=many', "'optim.steps': expected int, got 'many'"),
    ('optim.steps=true', "'optim.steps': expected int, got True"),
    ('optim.steps=1.5', "'optim.steps': expected int, got 1.5"),
    ('optim=3', "'optim.': expected a mapping"),
    ('data.train=here', "'data.train': expected a list of sources"),
    ('steps', "override 'steps': expected section.key=value"),
])
def test_a_slip_is_named(override, message):
    with pytest.raises(ParameterError) as caught:
        config.load(CONFIGS[0], [override])
    assert message in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ParameterError, match='none.yaml: no such configuration'):
        config.load(tmp_path / 'none.yaml', [])
