"""
The training loop: clipping, EMA, CSV and TensorBoard, best and last checkpoints, resume.

A batch is a pure function of (seed, step) and so is what the networks draw, so a resumed run sees
what the uninterrupted one would have seen. Several processes share each batch and average their
gradients; the first one validates and writes.

Whatever ends a run early, a signal, a full disk or a folder that is gone, ends it at a whole step,
with a checkpoint where one can be written and one line that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
import csv
import io
import math
from pathlib import Path
import signal
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
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.network import checkpoint

STRIPS = 3  # validation pairs that are shown


class StoppedError(UaafusionError):
    """A run ended before its last step; its folder has what it takes to go on."""


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
    damaged or of another network, ParameterError for settings that do not go together, and
    StoppedError where SIGTERM, SIGINT, the disk or the data end the run early.
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
    # Steps that were taken, that were validated, and that the last checkpoint has.
    done, judged_at, kept, best_score = 0, 0, 0, -math.inf
    if last.is_file():
        done, judged_at, best_score = _restore(last, module, adam, average, fabric)
        kept = done
    bar = tqdm(range(done, optim.steps), initial=done, total=optim.steps, desc=config.phase,
               disable=not leader)
    log = _Log(run, done, bar.write) if leader else None
    began = time.monotonic()

    def judge() -> None:
        nonlocal best_score, judged_at
        score, figures, strips, judged = _validate(phase, average)
        log.write(done - 1, {f'val_{k}': v for k, v in figures.items()})
        log.show(done - 1, strips)
        bar.write(f'step {done}: ' + ' '.join(f'{k}={v:.4f}' for k, v in figures.items()))
        if score > best_score:
            checkpoint.save(best, judged, {
                **phase.meta, 'step': done, 'figures': figures, 'config': to_dict(config)})
            best_score = score
        judged_at = done

    def store() -> None:
        nonlocal kept
        _store(last, module, adam, average, {
            'step': done, 'judged': judged_at, 'best_score': best_score,
            'precision': fabric.strategy.precision.state_dict()})
        kept = done

    def due(every: int) -> bool:
        return leader and done > 0 and (done % every == 0 or done == optim.steps)

    def stopped(reason: object) -> StoppedError:
        if leader and kept < done:
            try:
                store()
            except UaafusionError:
                pass  # the reason is the same, and what was kept before is untouched
        bar.close()
        return StoppedError(f'{reason}: stopped after step {done} of {optim.steps}; ' + (
            f'{last} has step {kept}, from which the same command goes on' if kept
            else 'no checkpoint was written'))

    try:
        with _signals() as received:
            if judged_at < done and due(optim.validate_every):
                judge()  # which the run before could not
                store()
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
                done = step + 1
                if step % 10 == 0:
                    means = _mean(fabric, {'loss': loss.item(), 'norm': norm.item(), **parts})
                    bar.set_postfix({k: f'{v:.4f}' for k, v in means.items()})
                    if leader:
                        log.write(step, {**means, 'seconds': time.monotonic() - began})
                if due(optim.validate_every):
                    judge()
                if due(optim.save_every):
                    store()
                if name := _agreed(fabric, received):
                    raise stopped(name)
    except (UaafusionError, OSError) as error:
        if isinstance(error, StoppedError):
            raise
        raise stopped(error) from error
    if leader:
        log.close()
        bar.write(f'best: {best}')
    fabric.barrier()
    return best


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Yield the numbers of SIGTERM and SIGINT that came; a second one ends the process at once."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, before[number])

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _agreed(fabric: Fabric, received: list[int]) -> str:
    """Return the name of a signal that any process got, '' for none: all stop at one step."""
    number = received[0] if received else 0
    if fabric.world_size > 1:
        number = int(fabric.all_reduce(torch.tensor(number), reduce_op='max'))
    return signal.Signals(number).name if number else ''


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
    try:
        with torch.no_grad():
            score, figures = phase.validate(module)
            strips = [pictures(phase, module, n) for n in range(min(STRIPS, len(phase.val)))]
        # A phase may set buffers that depend on the weights, which no average of theirs replaces.
        judged = {k: v.clone() for k, v in module.state_dict().items()}
    finally:
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
             fabric: Fabric) -> tuple[int, int, float]:
    """Return the step it was left at, the last one that was validated, and the best score."""
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
        return meta['step'], meta.get('judged', meta['step']), meta['best_score']
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path}: is of another network or phase ({str(error).splitlines()[0]}); "
            "continue it with its own settings, or give this run a folder of its own, 'run'"
        ) from error


class _Log:
    """
    CSV in long format (step, name, value) and TensorBoard.

    The CSV is opened for each entry, so that a kill loses nothing and a folder that is gone is
    noticed. An entry that was torn by a full disk is cut off when the run goes on.
    """

    def __init__(self, run: Path, start: int, warn: Callable[[str], object]) -> None:
        run.mkdir(parents=True, exist_ok=True)
        self._path = run / 'log.csv'
        if not self._path.exists():
            self._append([('step', 'name', 'value')])
        else:
            data = self._path.read_bytes()
            if not data.endswith(b'\n'):
                self._path.write_bytes(data[:data.rfind(b'\n') + 1])
        self._board = Board(run / 'board', start, warn)

    def write(self, step: int, values: dict[str, float]) -> None:
        if not self._path.exists():
            raise CheckpointError(f'{self._path}: is gone')
        self._append([(step, name, f'{value:.6g}') for name, value in values.items()])
        self._board.scalars(step, values)

    def _append(self, rows: Sequence[Sequence[object]]) -> None:
        text = io.StringIO(newline='')
        csv.writer(text).writerows(rows)
        with self._path.open('a', newline='') as file:
            file.write(text.getvalue())

    def show(self, step: int, strips: list[Pictures]) -> None:
        for index, images in enumerate(strips):
            self._board.pictures(step, f'validation/{index}', images)

    def close(self) -> None:
        self._board.close()
