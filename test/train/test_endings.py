"""Whatever ends a training, there is one line, code 2 and what it takes to go on; never a hang."""

import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')

from runs import settings  # noqa: E402
from runs import train  # noqa: E402
from runs import write  # noqa: E402

from train.__main__ import main  # noqa: E402
from train.curves import read_log  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def start(config, folder, *overrides, **options):
    """Start the command as a user does."""
    path = write(config, folder / f'{Path(config.run).name}.yaml')
    return subprocess.Popen(
        [sys.executable, '-m', 'train', 'fit', '--config', str(path), *overrides], cwd=ROOT,
        stderr=subprocess.PIPE, text=True, **options)


def last_line(process):
    """Return the last line of what a process said as it ended with code 2."""
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 2, said
    assert 'Traceback' not in said
    return said.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_that_goes_on_as_if_there_had_been_none(pairs, tmp_path, number):
    steps = 60
    train(settings(pairs, tmp_path / 'whole', 'fusion', steps))
    halves = settings(pairs, tmp_path / 'halves', 'fusion', steps)
    process = start(halves, tmp_path, 'optim.save_every=1000')
    log = tmp_path / 'halves' / 'log.csv'
    while not (log.is_file() and '\n10,' in log.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    said = last_line(process)
    assert said.startswith(f'error: {number.name}: stopped after step ')
    _, meta = checkpoint.load(tmp_path / 'halves' / 'last.safetensors')
    assert 10 < meta['step'] < steps
    assert f'last.safetensors has step {meta["step"]}, from which the same command' in said
    train(halves)
    for name in ('last', 'best'):
        first, _ = checkpoint.load(tmp_path / 'whole' / f'{name}.safetensors')
        second, _ = checkpoint.load(tmp_path / 'halves' / f'{name}.safetensors')
        assert first.keys() == second.keys()
        assert all(torch.equal(value, second[key]) for key, value in first.items())


def full_disk(room):
    """Let no file of the process grow beyond `room` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))


@pytest.mark.slow
def test_a_full_disk_keeps_the_checkpoint_before_and_ends_the_run(pairs, tmp_path):
    config = settings(pairs, tmp_path / 'run', 'fusion', 4)
    said = last_line(start(config, tmp_path, preexec_fn=full_disk(50_000)))
    assert 'no checkpoint was written' in said and 'cannot be written' in said
    train(settings(pairs, tmp_path / 'run', 'fusion', 2))
    before = (tmp_path / 'run' / 'last.safetensors').read_bytes()
    said = last_line(start(config, tmp_path, preexec_fn=full_disk(50_000)))
    assert 'last.safetensors has step 2, from which the same command goes on' in said
    assert (tmp_path / 'run' / 'last.safetensors').read_bytes() == before
    assert not list((tmp_path / 'run').glob('*.partial'))
    train(config)
    assert checkpoint.load(tmp_path / 'run' / 'best.safetensors')[1]['step'] == 4


def test_a_validation_that_could_not_be_kept_is_done_again(pairs, tmp_path, monkeypatch, capsys):
    """Where best.safetensors alone cannot be written, the run that goes on writes it."""
    config = str(write(settings(pairs, tmp_path / 'run', 'fusion', 2), tmp_path / 'c.yaml'))
    (tmp_path / 'run' / 'best.safetensors').mkdir(parents=True)
    assert main(['fit', '--config', config]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'best.safetensors: ' in said and 'last.safetensors has step 2' in said
    (tmp_path / 'run' / 'best.safetensors').rmdir()
    assert main(['fit', '--config', config]) == 0
    assert checkpoint.load(tmp_path / 'run' / 'best.safetensors')[1]['step'] == 2


def test_a_board_that_cannot_be_written_is_told_once(pairs, tmp_path, capsys):
    run = tmp_path / 'run'
    run.mkdir()
    (run / 'board').write_text('in the way')
    assert main(['fit', '--config', str(write(
        settings(pairs, run, 'fusion', 4), tmp_path / 'c.yaml'))]) == 0
    said = ''.join(capsys.readouterr())
    assert said.count('training goes on without TensorBoard') == 1
    assert 'loss' in read_log(run / 'log.csv')


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='no device that is always full')
def test_a_board_whose_disk_fills_up_is_told_once(tmp_path, monkeypatch):
    from tensorboardX import record_writer

    from train.board import Board
    monkeypatch.setattr(record_writer, 'open_file', lambda path: open('/dev/full', 'wb'))  # noqa: SIM115
    said = []
    board = Board(tmp_path / 'board', 0, said.append)
    for step in range(30):
        board.scalars(step, {'loss': 1.0})
    board.close()
    assert len(said) == 1 and 'No space left on device' in said[0]


def test_a_run_whose_folder_vanishes_leaves_a_checkpoint(pairs, tmp_path, capsys, monkeypatch):
    from train.fusion_phase import FusionPhase
    run, loss = tmp_path / 'run', FusionPhase.loss

    def vanish(phase, step):
        if step == 10:
            run.rename(tmp_path / 'elsewhere')
        return loss(phase, step)

    monkeypatch.setattr(FusionPhase, 'loss', vanish)
    config = str(write(settings(pairs, run, 'fusion', 12), tmp_path / 'c.yaml'))
    assert main(['fit', '--config', config]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'log.csv: is gone: stopped after step 11 of 12' in said
    assert checkpoint.load(run / 'last.safetensors')[1]['step'] == 11


def test_pairs_that_vanish_leave_a_checkpoint(pairs, tmp_path, capsys, monkeypatch):
    from train.datasets import samples
    monkeypatch.setattr(samples, '_held', lambda found, memory: samples.LazySamples(
        [pair for pairs in found for pair in pairs], 0))
    from train.fusion_phase import FusionPhase
    loss = FusionPhase.loss

    def vanish(phase, step):
        if step == 3:
            pairs.rename(tmp_path / 'elsewhere')
        return loss(phase, step)

    monkeypatch.setattr(FusionPhase, 'loss', vanish)
    config = str(write(settings(pairs, tmp_path / 'run', 'fusion', 8), tmp_path / 'c.yaml'))
    assert main(['fit', '--config', config]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'pairs/' in said and 'stopped after step 3 of 8' in said
    assert checkpoint.load(tmp_path / 'run' / 'last.safetensors')[1]['step'] == 3
