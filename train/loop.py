"""
The training loop: clipping, EMA, CSV and TensorBoard, best and last checkpoints, resume.

A batch is a pure function of (seed, step) and so is what the networks draw, so a resumed run sees
what the uninterrupted one would have seen. Several processes share each batch and average their
gradients; the first one validates and writes.
"""

from __future__ import annotations

from collections.abc import Sequence
import csv
import math
from pathlib import Path
import time
from typing import Any
from typing import Protocol

from lightning_fabric import Fabric
import numpy as np
import torch
from torch import nn
from torch import Tensor
from tqdm import tqdm

from train import schedule
from train.batches import Share
from train.board import Board
from train.config import Config
from train.config import to_dict
from train.data import Sample
from train.fabric import launch
from train.pictures import Pictures
from train.pictures import pictures
from uaafusion_ros.errors import CheckpointError
from uaafusion_ros.network import checkpoint

STRIPS = 3  # validation pairs that are shown


class Phase(Protocol):
    """What a phase of training brings to the loop."""

    module: nn.Module
    meta: dict
    val: Sequence[Sample]
    share: Share

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return parameters, each group with a factor on the learning rate."""

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of the process's share of step `step` and its parts."""

    def validate(self, module: nn.Module) -> tuple[float, dict[str, float]]:
        """Return a score (higher is better) and figures of `module` on the validation set."""


class Average:
    """Exponential moving average of parameters and buffers."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards `module`; early steps follow it closely."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


class _Work(nn.Module):
    """The loss as a module: gradients are averaged over processes behind a module's forward."""

    def __init__(self, phase: Phase) -> None:
        super().__init__()
        self.module, self._loss = phase.module, phase.loss

    def forward(self, step: int) -> tuple[Tensor, dict[str, float]]:
        return self._loss(step)


def fit(phase: Phase, config: Config) -> Path:
    """
    Train `phase` and return the path of the best checkpoint.

    Continues from `<run>/last.safetensors` if there is one; raises CheckpointError where that is
    damaged or of another network, and ParameterError for settings that do not go together.
    """
    optim = config.optim
    schedule.check(optim)
    fabric = launch(config)
    leader = fabric.is_global_zero
    phase.share = Share(fabric.global_rank, fabric.world_size, fabric.device)
    run = Path(config.run)
    last, best = run / 'last.safetensors', run / 'best.safetensors'
    module = phase.module
    adam = torch.optim.AdamW(
        [{'params': params, 'factor': factor} for params, factor in phase.parameter_groups()],
        lr=optim.lr, weight_decay=optim.weight_decay)
    work, stepper = fabric.setup(_Work(phase), adam)
    average = Average(module, optim.ema)
    start, best_score = 0, -math.inf
    if last.is_file():
        start, best_score = _restore(last, module, adam, average, fabric)
    log = _Log(run, start) if leader else None
    began = time.monotonic()
    bar = tqdm(range(start, optim.steps), initial=start, total=optim.steps, desc=config.phase,
               disable=not leader)
    for step in bar:
        _seed(config.seed, step, fabric.global_rank)
        module.train()
        for group in adam.param_groups:
            group['lr'] = group['factor'] * schedule.learning_rate(optim, step)
        loss, parts = work(step)
        stepper.zero_grad()
        fabric.backward(loss)
        norm = fabric.clip_gradients(
            work, stepper, max_norm=optim.clip_norm, error_if_nonfinite=False)
        stepper.step()
        average.update(module, step)
        if step % 10 == 0:
            means = _mean(fabric, {'loss': loss.item(), 'norm': norm.item(), **parts})
            bar.set_postfix({k: f'{v:.4f}' for k, v in means.items()})
            if leader:
                log.write(step, {**means, 'seconds': time.monotonic() - began})
        done = step + 1
        if leader and (done % optim.validate_every == 0 or done == optim.steps):
            score, figures, strips, judged = _validate(phase, average)
            log.write(step, {f'val_{k}': v for k, v in figures.items()})
            log.show(step, strips)
            bar.write(f'step {done}: ' + ' '.join(f'{k}={v:.4f}' for k, v in figures.items()))
            if score > best_score:
                best_score = score
                checkpoint.save(best, judged, {
                    **phase.meta, 'step': done, 'figures': figures, 'config': to_dict(config)})
        if leader and (done % optim.save_every == 0 or done == optim.steps):
            _store(last, module, adam, average, {
                'step': done, 'best_score': best_score,
                'precision': fabric.strategy.precision.state_dict()})
    if leader:
        log.close()
        bar.write(f'best: {best}')
    fabric.barrier()
    return best


def _seed(seed: int, step: int, rank: int) -> None:
    """Seed dropout on every device."""
    state = np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))


def _mean(fabric: Fabric, values: dict[str, float]) -> dict[str, float]:
    """Return the mean of each value over the processes."""
    means = fabric.all_reduce(torch.tensor(list(values.values()), dtype=torch.float64))
    return dict(zip(values, means.tolist()))


def _validate(phase: Phase, average: Average) -> tuple[
        float, dict[str, float], list[Pictures], dict[str, Tensor]]:
    """Return score, figures and pictures of the average, and the state that they are of."""
    module = phase.module
    trained = {k: v.clone() for k, v in module.state_dict().items()}
    module.load_state_dict(average.state)
    module.eval()
    with torch.no_grad():
        score, figures = phase.validate(module)
        strips = [pictures(phase, module, n) for n in range(min(STRIPS, len(phase.val)))]
    # A phase may set buffers that depend on the weights, which no average of theirs replaces.
    judged = {k: v.clone() for k, v in module.state_dict().items()}
    module.load_state_dict(trained)
    return score, figures, strips, judged


def _store(path: Path, module: nn.Module, adam: torch.optim.Optimizer, average: Average,
           meta: dict[str, Any]) -> None:
    tensors = {f'module.{k}': v for k, v in module.state_dict().items()}
    tensors |= {f'average.{k}': v for k, v in average.state.items()}
    for index, state in adam.state_dict()['state'].items():
        tensors |= {f'adam.{index}.{k}': v for k, v in state.items()}
    checkpoint.save(path, tensors, meta)


def _restore(path: Path, module: nn.Module, adam: torch.optim.Optimizer, average: Average,
             fabric: Fabric) -> tuple[int, float]:
    tensors, meta = checkpoint.load(path)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix):]: v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        module.load_state_dict(part('module.'))
        for name, value in part('average.').items():
            average.state[name].copy_(value)
        state = adam.state_dict()
        for key, value in part('adam.').items():
            index, name = key.split('.')
            state['state'].setdefault(int(index), {})[name] = value
        adam.load_state_dict(state)
        if meta.get('precision'):
            fabric.strategy.precision.load_state_dict(meta['precision'])
        return meta['step'], meta['best_score']
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path}: is of another network or phase ({str(error).splitlines()[0]}); "
            "continue it with its own settings, or give this run a folder of its own, 'run'"
        ) from error


class _Log:
    """
    CSV in long format (step, name, value) and TensorBoard.

    The CSV is flushed line by line, so that a kill loses nothing.
    """

    def __init__(self, run: Path, start: int) -> None:
        run.mkdir(parents=True, exist_ok=True)
        path = run / 'log.csv'
        fresh = not path.exists()
        self._file = path.open('a', newline='')
        self._writer = csv.writer(self._file)
        self._board = Board(run / 'board', start)
        if fresh:
            self._writer.writerow(('step', 'name', 'value'))

    def write(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.writerow((step, name, f'{value:.6g}'))
        self._file.flush()
        self._board.scalars(step, values)

    def show(self, step: int, strips: list[Pictures]) -> None:
        for index, images in enumerate(strips):
            self._board.pictures(step, f'validation/{index}', images)

    def close(self) -> None:
        self._file.close()
        self._board.close()
