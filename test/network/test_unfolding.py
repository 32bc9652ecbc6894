import pytest
import torch
from torch import nn
from toys import image

from uaafusion_ros.network.unfolding import BlendHead
from uaafusion_ros.network.unfolding import ConvHead
from uaafusion_ros.network.unfolding import Descent
from uaafusion_ros.network.unfolding import DiscardedDescent
from uaafusion_ros.network.unfolding import SigmoidHead
from uaafusion_ros.network.unfolding import Stage
from uaafusion_ros.network.unfolding import UnfoldingNet


class Zero(nn.Module):
    """In place of a unit: nothing, with `channels` channels."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        return x.new_zeros(x.shape[0], self.channels, *x.shape[2:])


class NoMemory(nn.Module):
    def forward(self, z, state):
        return z[:, :2], (z, z)


def gradient_descent(step, stages=3):
    """Return a network whose proximal operator is the identity."""
    return UnfoldingNet(
        [Stage(step(0.3), Zero(2), Zero(2), Zero(2), BlendHead(Zero(3)), NoMemory())
         for _ in range(stages)], Zero(1), Zero(1), 1)


def half(stage, iterates):
    return torch.zeros(1, 1, 1, 1, dtype=torch.float64)


def test_the_data_step_is_the_weighted_gradient_step():
    thermal, luma, w1 = (image(2, 1, 4, 5, seed=s) for s in (1, 2, 3))
    iterates = gradient_descent(Descent)(thermal, luma, w1, half)
    current = (thermal + luma) / 2
    assert torch.equal(iterates[0], current)
    for got in iterates[1:]:
        current = current - 0.3 * (w1 * (current - thermal) + (1 - w1) * (current - luma))
        torch.testing.assert_close(got, current)
    assert len(iterates) == 4


def test_the_published_step_has_no_effect_and_its_size_no_gradient():
    thermal, luma, w1 = (image(1, 1, 4, 5, seed=s) for s in (1, 2, 3))
    iterates = gradient_descent(DiscardedDescent)(thermal, luma, w1, half)
    torch.testing.assert_close(iterates[-1], (thermal + luma) / 2)
    assert not iterates[-1].requires_grad
    assert gradient_descent(Descent)(thermal, luma, w1, half)[-1].requires_grad


def test_attention_gates_the_third_unit():
    class Double(nn.Module):
        def forward(self, x):
            return 2 * x

    class First(nn.Module):
        def forward(self, x):
            return x[:, :1]

    stage = Stage(DiscardedDescent(0.0), nn.Identity(), First(), Double(),
                  SigmoidHead(nn.Identity()), NoMemory())
    x, a = image(1, 1, 3, 3), image(1, 1, 3, 3, seed=5) * 8 - 4
    got, memories, _ = stage(x, x, (x, x), a, (x, x), None)
    features = x + 2 * x * torch.sigmoid(a)
    torch.testing.assert_close(memories[1], features)
    torch.testing.assert_close(got, torch.sigmoid(features))


@pytest.mark.parametrize('stage', [0, 2])
def test_attention_is_asked_with_the_iterates_so_far(stage):
    asked = {}

    def attention(index, iterates):
        asked[index] = len(iterates)
        return torch.zeros(1, 1, 1, 1, dtype=torch.float64)

    x = image(1, 1, 3, 3)
    gradient_descent(Descent)(x, x, x, attention)
    assert asked[stage] == stage + 1
    assert sorted(asked) == [0, 1, 2]


def test_the_head_blends_towards_each_source_and_corrects():
    before, thermal, luma = (image(1, 4, 3, 3, seed=s) for s in range(3))
    a, b, c = (image(1, 4, 3, 3, seed=s) for s in range(3, 6))
    got = BlendHead(nn.Identity())(torch.cat((a, b, c), dim=1), before, thermal, luma)
    torch.testing.assert_close(
        got, before * (1 - a - b) + a * thermal + b * luma + c)


def test_half_size_features_see_the_same_pixels():
    """A network of identities gives back plain gradient descent at any downscale."""
    thermal, luma, w1 = (image(1, 1, 4, 6, seed=s) for s in (1, 2, 3))
    w1 = w1[:, :, ::2, ::2].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    small = UnfoldingNet(
        [Stage(Descent(0.3), Zero(2), Zero(2), Zero(2), BlendHead(Zero(12)), NoMemory())],
        Zero(1), Zero(1), 2)
    torch.testing.assert_close(
        small(thermal, luma, small.cells(w1), half)[-1],
        gradient_descent(Descent, 1)(thermal, luma, w1, half)[-1])


def test_the_head_without_a_blend_takes_the_features_alone():
    features, image = torch.randn(1, 1, 4, 6), torch.rand(1, 1, 4, 6)
    others = (torch.zeros_like(image), torch.ones_like(image))
    assert torch.equal(ConvHead(nn.Identity())(features, image, *others), features)
    torch.testing.assert_close(
        SigmoidHead(nn.Identity())(features, image, *others), 1 / (1 + (-features).exp()))
