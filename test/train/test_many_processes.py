"""Two processes on the CPU do what one does, and what does not go together is said."""

from dataclasses import replace
import os
from pathlib import Path
import subprocess
import sys

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')

from runs import settings  # noqa: E402
from runs import write  # noqa: E402
from runs import write_parts  # noqa: E402

from train.batches import Share  # noqa: E402
from train.fabric import launch  # noqa: E402
from train.fusion_phase import FusionPhase  # noqa: E402
from train.joint_phase import JointPhase  # noqa: E402
from uaafusion_ros.errors import ParameterError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def fit(folder, pairs, run, *overrides):
    """Run the command as a user does; return its last checkpoint, log and output."""
    config = write(settings(pairs, run, 'fusion', steps=11), folder / 'fusion.yaml')
    environment = {k: v for k, v in os.environ.items() if k not in ('LOCAL_RANK', 'WORLD_SIZE')}
    done = subprocess.run(
        [sys.executable, '-m', 'train', 'fit', '--config', str(config), 'data.batch=4',
         *overrides],
        cwd=ROOT, env=environment | {'OMP_NUM_THREADS': '1'}, capture_output=True, text=True,
        timeout=900)
    assert done.returncode == 0, done.stderr
    tensors, meta = checkpoint.load(run / 'last.safetensors')
    rows = [line.split(',') for line in (run / 'log.csv').read_text().splitlines()[1:]]
    values = {(int(step), name): float(value) for step, name, value in rows if name != 'seconds'}
    assert len(values) == len([row for row in rows if row[1] != 'seconds']), 'written twice'
    return tensors, values, done.stderr


@pytest.mark.slow
def test_two_processes_equal_one(pairs, tmp_path):
    """Of the same global batches: the same losses and, after eleven steps, the same weights."""
    alone, values, _ = fit(tmp_path, pairs, tmp_path / 'one')
    shared, others, said = fit(tmp_path, pairs, tmp_path / 'two', 'devices=2')
    assert 'MEMBER: 2/2' in said and 'gloo' in said
    assert values.keys() == others.keys()
    for key, value in values.items():
        assert others[key] == pytest.approx(value, rel=1e-4, abs=1e-5), key
    assert alone.keys() == shared.keys()
    for name, tensor in alone.items():
        if not name.startswith('adam.'):
            torch.testing.assert_close(shared[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
    assert sorted(p.name for p in (tmp_path / 'two').iterdir()) == [
        'best.safetensors', 'board', 'last.safetensors', 'log.csv']
    assert len(list((tmp_path / 'two' / 'board').iterdir())) == 1


@pytest.mark.parametrize('kind', [FusionPhase, JointPhase])
def test_the_shares_of_a_batch_make_the_whole(pairs, tmp_path, kind):
    """The mean of both shares' losses is the loss of the batch, and neither is the batch."""
    phase = kind(settings(pairs, tmp_path, **write_parts(tmp_path)))
    phase.module.eval()  # the head's batch norm sees the share alone when it trains
    with torch.no_grad():
        whole = phase.loss(1)[1]['target']
        parts = []
        for rank in range(2):
            phase.share = Share(rank, 2)
            parts.append(phase.loss(1)[1]['target'])
    assert sum(parts) / 2 == pytest.approx(whole, rel=1e-4)
    assert abs(parts[0] - parts[1]) > 1e-3 * whole


@pytest.mark.parametrize('overrides,message', [
    ({'devices': 3}, "'data.batch': 2 samples cannot be shared evenly by 3 processes"),
    ({'devices': 0}, "'data.batch': 2 samples cannot be shared evenly by 0 processes"),
    ({'accelerator': 'gpu'}, "'accelerator': 'gpu' is unknown; known: auto, cpu, cuda"),
])
def test_settings_that_do_not_go_together(overrides, message):
    config = settings('nowhere', 'nowhere')
    with pytest.raises(ParameterError) as caught:
        launch(replace(config, **overrides))
    assert message in str(caught.value)


def test_precisions_that_are_not_there():
    config = settings('nowhere', 'nowhere')
    for amp_type, message in (('fp16', 'fp16 needs CUDA'), ('fp8', "'fp8' is unknown; known: bf")):
        with pytest.raises(ParameterError, match=message):
            launch(replace(config, optim=replace(config.optim, amp=True, amp_type=amp_type)))
