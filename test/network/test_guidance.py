"""What the looks say of each place: integrated gradients in closed form, and what follows."""

from dataclasses import replace

import pytest
import torch
from toys import enlivened
from toys import image

from uaafusion_ros.network.exact import information_by_gradients
from uaafusion_ros.network.guidance import guidance
from uaafusion_ros.network.guidance import information
from uaafusion_ros.network.guidance import pooled
from uaafusion_ros.network.guidance import thermal_share
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset
from uaafusion_ros.network.segmentation import LiteSegmenter

EVEN = torch.full((5,), 0.2).log()
TARGETS = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0])


def surely(classes, height=3, width=4):
    """Return logits (1, 5, h, w) that know the class of each column."""
    logits = torch.zeros(1, 5, height, width)
    for column, class_id in enumerate(classes):
        logits[0, class_id, :, column] = 6.0
    return logits


def test_information_is_what_integrated_gradients_sum_to():
    """Completeness, on a network with all its convolutions, at places of both looks."""
    torch.manual_seed(0)
    net = LiteSegmenter(5, 8).double().eval().requires_grad_(False)
    enlivened(net)
    thermal, luma, chroma = (image(1, channels, 64, 96, seed=seed)
                             for seed, channels in ((1, 1), (2, 1), (3, 2)))
    neutral, places = torch.full_like(chroma, 0.5), [(0, 0), (4, 9), (9, 14)]
    by_gradients = information_by_gradients(net, 0.625, thermal, luma, chroma, places, steps=400)
    black = net.look(torch.zeros_like(luma), neutral, 0.625).log_softmax(1)
    for found, seen in zip(by_gradients, (
            net.look(thermal, neutral, 0.625), net.look(luma, chroma, 0.625))):
        closed = torch.stack([
            information(seen[..., y:y + 1, x:x + 1], black[0, :, y, x]).squeeze()
            for y, x in places])
        assert closed.min() > 1e-3
        torch.testing.assert_close(found, closed, rtol=0.02, atol=0)


def test_information_is_the_divergence_from_black_in_nats():
    black = torch.tensor([0.7, 0.1, 0.1, 0.05, 0.05])
    scores = torch.tensor([0.1, 0.6, 0.1, 0.1, 0.1])
    want = (scores * (scores / black).log()).sum()
    got = information(scores.log().view(1, 5, 1, 1) + 3.0, black.log())
    torch.testing.assert_close(got, want.view(1, 1, 1, 1))
    assert information(black.log().view(1, 5, 1, 1), black.log()).item() == pytest.approx(0, abs=1e-6)


def test_weights_follow_information_and_sum_to_one():
    thermal, luma = torch.tensor([3.0, 0.0, 0.0, 2.0]), torch.tensor([1.0, 0.0, 4.0, 2.0])
    w1, w2 = thermal_share(thermal, luma, 0.1), thermal_share(luma, thermal, 0.1)
    torch.testing.assert_close(w1 + w2, torch.ones(4))
    torch.testing.assert_close(w1, torch.tensor([3.1 / 4.2, 0.5, 0.1 / 4.2, 0.5]))


def test_the_source_that_knows_more_gets_the_weight_where_it_does():
    """Thermal alone knows the left columns, luma alone the right ones."""
    by_thermal, by_luma = surely([1, 1]), surely([3, 3]).flip(3)
    found = guidance(by_thermal, by_luma, EVEN, TARGETS, 0.1)
    assert (found.w_thermal[..., :2] > 0.9).all() and (found.w_thermal[..., 2:] < 0.1).all()
    assert (found.thermal[..., :2] > 1).all() and found.thermal[..., 2:].max() < 1e-5
    # Class 1 is a target and class 3 is none.
    assert (found.targets[..., :2] > 0.9).all() and (found.targets[..., 2:] < 0.1).all()


def test_the_pool_is_a_weighted_geometric_mean_of_probabilities():
    a, b = image(1, 5, 2, 3, seed=1), image(1, 5, 2, 3, seed=2)
    weight = torch.full((1, 1, 2, 3), 0.3, dtype=a.dtype)
    mean = a.softmax(1) ** 0.3 * b.softmax(1) ** 0.7
    torch.testing.assert_close(pooled(a, b, weight).softmax(1), mean / mean.sum(1, keepdim=True))


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    network = UAAFusion(preset('fast'), [1, 2]).eval().requires_grad_(False)
    enlivened(network.segmenter)
    network.look_at_black()
    return network


def test_a_dark_source_gets_no_weight(network):
    luma, chroma = (image(1, n, 256, 256, seed=n, dtype=torch.float32) for n in (1, 2))
    dark, neutral = torch.zeros_like(luma), torch.full_like(chroma, 0.5)
    by_day = network.guide(network.look(dark, luma, chroma))
    at_night = network.guide(network.look(luma, dark, neutral))
    assert by_day.thermal.mean() < 0.1 * by_day.luma.mean()
    assert by_day.w_thermal.mean() < 0.3 and at_night.w_thermal.mean() > 0.7


def test_even_weights_are_one_half_everywhere_and_keep_no_target():
    torch.manual_seed(0)
    network = UAAFusion(replace(preset('fast'), weights='even'), [1, 2]).eval()
    sources = [image(1, n, 64, 96, seed=n, dtype=torch.float32) for n in (1, 1, 2)]
    with torch.no_grad():
        _, guide, _ = network(*sources)
    assert (guide.w_thermal == 0.5).all()
    assert not guide.targets.any()
