"""
The training loop: warm-up, cosine, clipping, EMA, CSV, best and last checkpoints, resume.

A batch is a pure function of (seed, step), so a resumed run sees what the uninterrupted one
would have seen.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
import time
from typing import Protocol

import torch
from torch import nn
from torch import Tensor
from tqdm import tqdm

from train.config import Config
from train.config import Optim
from train.config import to_dict
from uaafusion_ros.network import checkpoint


class Phase(Protocol):
    """What a phase of training brings to the loop."""

    module: nn.Module
    meta: dict

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return parameters, each group with a factor on the learning rate."""

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of step `step` and its parts."""

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


def learning_rate(optim: Optim, step: int) -> float:
    """Return the learning rate of `step`: linear warm-up, then half a cosine."""
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    done = (step - optim.warmup) / max(1, optim.steps - optim.warmup)
    return optim.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def fit(phase: Phase, config: Config) -> Path:
    """
    Train `phase` and return the path of the best checkpoint.

    Continues from `<run>/last.safetensors` if there is one.
    """
    optim = config.optim
    run = Path(config.run)
    run.mkdir(parents=True, exist_ok=True)
    last, best = run / 'last.safetensors', run / 'best.safetensors'
    module = phase.module
    adam = torch.optim.AdamW(
        [{'params': params, 'factor': factor} for params, factor in phase.parameter_groups()],
        lr=optim.lr, weight_decay=optim.weight_decay)
    average = Average(module, optim.ema)
    start, best_score = 0, -math.inf
    if last.is_file():
        start, best_score = _restore(last, module, adam, average)
    log = _Log(run / 'log.csv')
    began = time.monotonic()
    bar = tqdm(range(start, optim.steps), initial=start, total=optim.steps, desc=config.phase)
    for step in bar:
        module.train()
        for group in adam.param_groups:
            group['lr'] = group['factor'] * learning_rate(optim, step)
        with torch.autocast('cpu', torch.bfloat16, enabled=optim.amp):
            loss, parts = phase.loss(step)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(module.parameters(), optim.clip_norm)
        adam.step()
        average.update(module, step)
        if step % 10 == 0:
            bar.set_postfix({k: f'{v:.4f}' for k, v in parts.items()})
            log.write(step, {'loss': loss.item(), 'norm': norm.item(), **parts,
                             'seconds': time.monotonic() - began})
        done = step + 1
        if done % optim.validate_every == 0 or done == optim.steps:
            score, figures = _validate(phase, average)
            log.write(step, {f'val_{k}': v for k, v in figures.items()})
            bar.write(f'step {done}: ' + ' '.join(f'{k}={v:.4f}' for k, v in figures.items()))
            if score > best_score:
                best_score = score
                checkpoint.save(best, average.state, {
                    **phase.meta, 'step': done, 'figures': figures, 'config': to_dict(config)})
        if done % optim.save_every == 0 or done == optim.steps:
            _store(last, module, adam, average, done, best_score)
    return best


def _validate(phase: Phase, average: Average) -> tuple[float, dict[str, float]]:
    trained = {k: v.clone() for k, v in phase.module.state_dict().items()}
    phase.module.load_state_dict(average.state)
    phase.module.eval()
    with torch.no_grad():
        result = phase.validate(phase.module)
    phase.module.load_state_dict(trained)
    return result


def _store(path: Path, module: nn.Module, adam: torch.optim.Optimizer, average: Average,
           step: int, best_score: float) -> None:
    tensors = {f'module.{k}': v for k, v in module.state_dict().items()}
    tensors |= {f'average.{k}': v for k, v in average.state.items()}
    for index, state in adam.state_dict()['state'].items():
        tensors |= {f'adam.{index}.{k}': v for k, v in state.items()}
    tensors['rng'] = torch.get_rng_state()
    checkpoint.save(path, tensors, {'step': step, 'best_score': best_score})


def _restore(path: Path, module: nn.Module, adam: torch.optim.Optimizer,
             average: Average) -> tuple[int, float]:
    tensors, meta = checkpoint.load(path)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix):]: v for k, v in tensors.items() if k.startswith(prefix)}

    module.load_state_dict(part('module.'))
    average.state = part('average.')
    state = adam.state_dict()
    for key, value in part('adam.').items():
        index, name = key.split('.')
        state['state'].setdefault(int(index), {})[name] = value
    adam.load_state_dict(state)
    torch.set_rng_state(tensors['rng'])
    return meta['step'], meta['best_score']


class _Log:
    """Long-format CSV (step, name, value), flushed line by line so that a kill loses nothing."""

    def __init__(self, path: Path) -> None:
        fresh = not path.exists()
        self._file = path.open('a', newline='')
        self._writer = csv.writer(self._file)
        if fresh:
            self._writer.writerow(('step', 'name', 'value'))

    def write(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.writerow((step, name, f'{value:.6g}'))
        self._file.flush()
