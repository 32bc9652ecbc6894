"""Shipping a run: what is kept of a joint checkpoint, and what is refused."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

import yaml  # noqa: E402

from train.config import Config  # noqa: E402
from train.deploy import deploy  # noqa: E402
from train.deploy import finished  # noqa: E402
from uaafusion_ros.engine import models  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.model import UAAFusion  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402

CLASSES = {f'class {n}': [n, 0, 9] for n in range(9)}


@pytest.fixture
def run(tmp_path):
    """Folder of a joint run with an untrained best checkpoint whose targets are 1 and 3."""
    torch.manual_seed(0)
    network = UAAFusion(preset('fast'), [1, 3], [3]).eval()
    checkpoint.save(tmp_path / 'run' / 'best.safetensors', network.state_dict(), {
        'part': 'network', 'preset': 'fast', 'classes': list(CLASSES),
        'palette': list(CLASSES.values()), 'targets': [1, 3], 'bodies': [3],
        'weights': 'attributed'})
    return tmp_path / 'run'


def test_a_joint_checkpoint_is_finished_with_its_baseline_and_targets(run):
    network, meta = finished(run / 'best.safetensors')
    assert not network.training and meta['classes'] == list(CLASSES)
    assert network.targets.tolist() == [0, 1, 0, 1, 0, 0, 0, 0, 0]
    assert network.bodies.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]
    # The baseline is that of these weights, whatever the file had.
    assert network.log_black.std() > 0
    tensors, meta = checkpoint.load(run / 'best.safetensors')
    checkpoint.save(run / 'even.safetensors', tensors, meta | {'weights': 'even'})
    even, _ = finished(run / 'even.safetensors')
    images = [torch.rand(1, n, 64, 64) for n in (1, 1, 2)]
    with torch.no_grad():
        assert (even(*images)[1].w_thermal == 0.5).all()


def test_what_was_weighted_in_training_is_taken_back_once(run):
    tensors, meta = checkpoint.load(run / 'best.safetensors')
    weights = [1.0, 4.0] + 7 * [2.0]
    checkpoint.save(run / 'weighted.safetensors', tensors, meta | {'class_weights': weights})
    images = [torch.rand(1, n, 64, 64) for n in (1, 1, 2)]
    plain, corrected = (finished(run / f'{name}.safetensors') for name in ('best', 'weighted'))
    assert 'class_weights' not in corrected[1]
    with torch.no_grad():
        change = plain[0](*images)[2] - corrected[0](*images)[2]
    expected = torch.tensor(weights).log().view(1, -1, 1, 1).expand_as(change)
    torch.testing.assert_close(change, expected, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_a_joint_checkpoint_is_exported_and_pinned(run, tmp_path):
    path, _ = deploy(Config(run=str(run)), tmp_path / 'models')
    row = yaml.safe_load((tmp_path / 'models' / 'models.yaml').read_text())['models']['fast']
    _, spec = models.load(path, row['sha256'])
    assert list(spec.classes) == list(CLASSES) and spec.preset == 'fast'


def test_a_run_of_another_phase_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match='best.safetensors: no such checkpoint'):
        deploy(Config(run=str(tmp_path)), tmp_path)
    checkpoint.save(Path(tmp_path) / 'best.safetensors', {'a': torch.zeros(1)},
                    {'part': 'segmenter'})
    with pytest.raises(CheckpointError, match="holds a 'segmenter', not a whole network"):
        deploy(Config(run=str(tmp_path)), tmp_path)
