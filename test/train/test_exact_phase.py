"""Training under exact attributions: what is guided by what, and how the result is kept."""

from dataclasses import replace
import hashlib

import pytest
import yaml

torch = pytest.importorskip('torch')

from runs import settings  # noqa: E402

from train.batches import whole  # noqa: E402
from train.config import Loss  # noqa: E402
from train.config import Source  # noqa: E402
from train.data import read  # noqa: E402
from train.deploy import deploy  # noqa: E402
from train.exact_phase import ExactPhase  # noqa: E402
from train.exact_phase import middle  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.build import make_fusion  # noqa: E402
from uaafusion_ros.network.build import make_segmenter  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402


@pytest.fixture
def config(pairs, tmp_path):
    """Settings of a phase that starts from random weights, on very small crops."""
    torch.manual_seed(0)
    paths = {}
    for part, make in (('fusion', make_fusion), ('segmenter', make_segmenter)):
        path = tmp_path / f'{part}.safetensors'
        checkpoint.save(path, make(preset('paper')).state_dict(), {'part': part,
                                                                   'preset': 'paper'})
        paths[part] = str(path)
    made = settings(pairs, tmp_path / 'exact', 'exact', **paths)
    return replace(made, preset='paper', data=replace(made.data, crop=48, batch=1),
                   loss=Loss(attention_every=2, emphasis=0.8))


def test_every_second_step_has_exact_attributions_and_trains_the_segmenter(config):
    phase = ExactPhase(config)
    loss, parts = phase.loss(1)
    assert set(parts) == {'target', 'intensity'}
    loss.backward()
    assert all(p.grad is None for p in phase.module['segmenter'].parameters())
    loss, parts = phase.loss(2)
    assert set(parts) == {'target', 'intensity', 'segmentation'}
    loss.backward()
    assert phase.module['segmenter'].classify.weight.grad.abs().max() > 0
    assert phase.module['fusion'].stages[0].step.rho.grad.abs() > 0


def test_weights_are_kept_in_half_precision_with_what_they_are(config, tmp_path):
    phase = ExactPhase(config)
    run = tmp_path / 'exact'
    checkpoint.save(run / 'best.safetensors', phase.module.state_dict(), phase.meta)
    path, = deploy(config, tmp_path / 'models')
    assert path.name == 'uaafusion_paper.safetensors'
    row = yaml.safe_load((tmp_path / 'models' / 'models.yaml').read_text())['weights']['paper']
    assert row['sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(row['classes']) == 9
    tensors, meta = checkpoint.load(path)
    assert meta['preset'] == 'paper' and len(meta['classes']) == 9
    assert tensors['fusion.stages.0.step.rho'].dtype == torch.float16
    phase.module.load_state_dict(tensors)


def test_the_middle_is_the_middle(pairs):
    batch = whole(read(Source('msrs', str(pairs)))[0])
    cut = middle(batch, 32)
    assert cut.luma.shape == (1, 1, 32, 32)
    assert torch.equal(cut.label, batch.label[:, 32:64, 48:80])
