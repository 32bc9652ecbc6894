"""The learning rate of each step."""

import math

import pytest

from train import schedule
from train.config import Optim
from uaafusion_ros.errors import ParameterError


def rates(optim):
    return [schedule.learning_rate(optim, step) for step in range(optim.steps)]


def test_cosine_warms_up_and_falls_to_nothing():
    got = rates(Optim(steps=110, warmup=10, lr=2.0))
    assert got[:10] == pytest.approx([0.2 * (n + 1) for n in range(10)])
    assert got[10] == 2.0
    assert got[60] == pytest.approx(1.0)
    assert got[35] == pytest.approx(1 + math.cos(math.pi / 4))
    assert 0 < got[-1] < 1e-3
    assert got[10:] == sorted(got[10:], reverse=True)


def test_steps_halve_as_published():
    """Forty epochs, halved every ten: a rate of 1e-4 ends at an eighth of it."""
    got = rates(Optim(steps=40, warmup=0, lr=1e-4, schedule='step', step_every=10))
    assert got == pytest.approx([1e-4] * 10 + [5e-5] * 10 + [2.5e-5] * 10 + [1.25e-5] * 10)


@pytest.mark.parametrize('optim,message', [
    (Optim(schedule='cosin'), "'optim.schedule': 'cosin' is unknown; known: cosine, step"),
    (Optim(schedule='step', step_every=0), "'optim.step_every': 0, expected 1 or more"),
])
def test_a_schedule_that_is_none(optim, message):
    with pytest.raises(ParameterError) as caught:
        schedule.check(optim)
    assert str(caught.value) == message
