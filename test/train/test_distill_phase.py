"""The head alone learns, and what it learns is what exact attributions are."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')

import torch.nn.functional as F  # noqa: E402

from runs import settings  # noqa: E402
from runs import train  # noqa: E402
from runs import write_parts  # noqa: E402
from train.batches import training_batch  # noqa: E402
from train.deploy import finished  # noqa: E402
from train.distill_phase import DistillPhase  # noqa: E402
from train.distill_phase import exact_maps  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.network import attribution  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.exact import segment_with  # noqa: E402


@pytest.fixture
def parts(tmp_path):
    """Untrained checkpoints, as the settings name them."""
    return write_parts(tmp_path)


def test_exact_maps_are_the_path_attributions_of_the_fusion_they_make(pairs, tmp_path, parts):
    phase = DistillPhase(settings(pairs, tmp_path, 'distill', **parts))
    network = phase.module.eval()
    with torch.no_grad():  # an untrained network hardly reacts to what it sees
        network.segmenter.classify[-1].weight *= 1e3
    batch = training_batch(phase.samples, phase.config.data, 0, 0)
    weights = network.fusion.cells(torch.full_like(batch.luma, 0.5))
    maps, fused = exact_maps(network, batch, weights, torch.Size((6, 6)))
    gates = F.interpolate(maps, size=weights.shape[2:], mode='bilinear', align_corners=False)
    with torch.no_grad():
        iterates = network.fusion(
            batch.thermal, batch.luma, weights,
            lambda stage, _: gates[:, stage - 1:stage] if stage else gates.new_zeros(1, 1, 1, 1))
        segment = segment_with(network.segmenter, batch.chroma)
        exact = attribution.path_attention(segment, iterates, segment(iterates[0]))[1:]
    torch.testing.assert_close(fused, iterates[-1].clamp(0, 1))
    expected = torch.cat([attribution.normalised(F.interpolate(a, size=(6, 6), mode='area'))
                          for a in exact], dim=1)
    torch.testing.assert_close(maps, expected, rtol=1e-3, atol=1e-4)
    assert maps.std() > 0.01


def test_only_the_head_changes_and_the_result_can_be_shipped(pairs, tmp_path, parts):
    config = settings(pairs, tmp_path / 'run', 'distill', 3, **parts)
    best = train(config)
    before, _ = checkpoint.load(Path(parts['network']))
    after, meta = checkpoint.load(best)
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed and all(name.startswith('attribution.attention.') for name in changed)
    assert meta['figures'].keys() == {'attention', 'correlation', 'fused'}
    network, said = finished(best, 0.5)
    assert said['step'] == 3
    assert network.attribution.floor > 0


@pytest.mark.slow
def test_the_loss_falls(pairs, tmp_path, parts):
    phase = DistillPhase(settings(pairs, tmp_path, 'distill', **parts))
    phase.module.train()
    adam = torch.optim.Adam(phase.parameter_groups()[0][0], lr=5e-3)
    values = []
    for step in range(15):
        loss, _ = phase.loss(step % 2)
        adam.zero_grad()
        loss.backward()
        adam.step()
        values.append(loss.item())
    assert sum(values[-2:]) < 0.9 * sum(values[:2])


def test_what_is_no_joint_network_is_named(pairs, tmp_path, parts):
    with pytest.raises(CheckpointError, match="'network' is empty"):
        DistillPhase(settings(pairs, tmp_path, 'distill'))
    with pytest.raises(CheckpointError, match='fusion.safetensors: holds the fusion of preset'):
        DistillPhase(settings(pairs, tmp_path, 'distill', network=parts['fusion']))
    with pytest.raises(CheckpointError, match='gone.safetensors: no such checkpoint'):
        DistillPhase(settings(pairs, tmp_path, 'distill',
                              network=str(tmp_path / 'gone.safetensors')))
