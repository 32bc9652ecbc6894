"""The learning rate as a function of the step."""

from __future__ import annotations

import math

from train.config import Optim
from uaafusion_ros.errors import ParameterError


def cosine(optim: Optim, step: int) -> float:
    """Return the factor of half a cosine from the end of the warm-up, 1, to the last step, 0."""
    done = (step - optim.warmup) / max(1, optim.steps - optim.warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def steps(optim: Optim, step: int) -> float:
    """Return `step_factor` to the power of the whole periods of `step_every` steps that passed."""
    return optim.step_factor ** (step // optim.step_every)


SCHEDULES = {'cosine': cosine, 'step': steps}


def check(optim: Optim) -> None:
    """Raise ParameterError where the schedule is unknown or a number of steps is none."""
    if optim.schedule not in SCHEDULES:
        raise ParameterError(f"'optim.schedule': '{optim.schedule}' is unknown; known: "
                             f'{", ".join(SCHEDULES)}')
    for name in ('steps', 'step_every', 'validate_every', 'save_every'):
        if getattr(optim, name) < 1:
            raise ParameterError(f"'optim.{name}': {getattr(optim, name)}, expected 1 or more")


def learning_rate(optim: Optim, step: int) -> float:
    """Return the learning rate of `step`: a linear warm-up, then the schedule."""
    if step < optim.warmup:
        return optim.lr * (step + 1) / optim.warmup
    return optim.lr * SCHEDULES[optim.schedule](optim, step)
