"""What the looks say of each place: integrated gradients in closed form, and what follows."""

from dataclasses import replace

import pytest
import torch
from toys import image
from toys import ToySegmenter

from uaafusion_ros.network.attribution import place_attributions
from uaafusion_ros.network.exact import information_by_gradients
from uaafusion_ros.network.guidance import guidance
from uaafusion_ros.network.guidance import information
from uaafusion_ros.network.guidance import pooled
from uaafusion_ros.network.guidance import thermal_share
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset
from uaafusion_ros.network.segmentation import resized

EVEN = torch.full((5,), 0.2).log()
TARGETS = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0])
BODIES = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])


def surely(classes, height=3, width=4):
    """Return logits (1, 5, h, w) that know the class of each column."""
    logits = torch.zeros(1, 5, height, width)
    for column, class_id in enumerate(classes):
        logits[0, class_id, :, column] = 6.0
    return logits


class Smooth(torch.nn.Module):
    """Looks in colour, at a quarter of the size, without the corners that slow down path sums."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 5, 2, 2), torch.nn.Tanh(), torch.nn.Conv2d(8, 5, 5, 2, 2))
        self.double().requires_grad_(False)
        for parameter in self.parameters():
            parameter.mul_(3)

    def look(self, luma, chroma, scale):
        return self.body(resized(torch.cat((luma, chroma), dim=1), scale))


def test_information_is_what_integrated_gradients_sum_to():
    """Completeness: black has neutral chroma, and so has all that thermal shows."""
    net = Smooth()
    thermal, luma, chroma = (image(1, channels, 32, 64, seed=seed)
                             for seed, channels in ((1, 1), (2, 1), (3, 2)))
    neutral, places = torch.full_like(chroma, 0.5), [(0, 0), (2, 5), (3, 7)]
    by_gradients = information_by_gradients(net, 0.5, thermal, luma, chroma, places)
    black = net.look(torch.zeros_like(luma), neutral, 0.5).log_softmax(1)
    for found, seen in zip(by_gradients, (
            net.look(thermal, neutral, 0.5), net.look(luma, chroma, 0.5))):
        closed = torch.stack([
            information(seen[..., y:y + 1, x:x + 1], black[0, :, y, x]).squeeze()
            for y, x in places])
        assert closed.min() > 1e-3
        torch.testing.assert_close(found, closed, rtol=0.02, atol=0)


def test_places_are_attributed_by_what_the_network_finds_there():
    segment, x = ToySegmenter(), image(1, 1, 12, 16, seed=1)

    def look(images):
        return segment(images).log()

    places = [(0, 0), (5, 9), (11, 15)]
    found = place_attributions(look, x, places)
    logits, black = look(x).detach(), look(torch.zeros_like(x)).detach()
    closed = torch.stack([
        information(logits[..., i:i + 1, j:j + 1], black[0, :, i, j]).squeeze()
        for i, j in places])
    assert closed.min() > 1e-3
    torch.testing.assert_close(found, closed, rtol=1e-3, atol=0)


def test_information_is_the_divergence_from_black_in_nats():
    black = torch.tensor([0.7, 0.1, 0.1, 0.05, 0.05])
    scores = torch.tensor([0.1, 0.6, 0.1, 0.1, 0.1])
    want = (scores * (scores / black).log()).sum()
    got = information(scores.log().view(1, 5, 1, 1) + 3.0, black.log())
    torch.testing.assert_close(got, want.view(1, 1, 1, 1))
    none = information(black.log().view(1, 5, 1, 1), black.log())
    assert none.item() == pytest.approx(0, abs=1e-6)


def test_weights_follow_information_and_sum_to_one():
    thermal, luma = torch.tensor([3.0, 0.0, 0.0, 2.0]), torch.tensor([1.0, 0.0, 4.0, 2.0])
    w1, w2 = thermal_share(thermal, luma, 0.1), thermal_share(luma, thermal, 0.1)
    torch.testing.assert_close(w1 + w2, torch.ones(4))
    torch.testing.assert_close(w1, torch.tensor([3.1 / 4.2, 0.5, 0.1 / 4.2, 0.5]))


def test_the_source_that_knows_more_gets_the_weight_where_it_does():
    """Thermal alone knows the left columns, luma alone the right ones."""
    by_thermal, by_luma = surely([1, 1]), surely([3, 3]).flip(3)
    found = guidance(by_thermal, by_luma, EVEN, TARGETS, BODIES, 0.1)
    assert (found.w_thermal[..., :2] > 0.9).all() and (found.w_thermal[..., 2:] < 0.1).all()
    assert (found.thermal[..., :2] > 1).all() and found.thermal[..., 2:].max() < 1e-5
    # Class 1 is a target and class 3 is none.
    assert (found.targets[..., :2] > 0.9).all() and (found.targets[..., 2:] < 0.1).all()


def test_a_body_is_told_from_another_target():
    """Both sources know class 1, a body, on the left and class 2, a target alone, on the right."""
    seen = surely([1, 1, 2, 2])
    found = guidance(seen, seen, EVEN, TARGETS, BODIES, 0.1)
    assert found.targets.min() > 0.9
    assert found.bodies[..., :2].min() > 0.9 and found.bodies[..., 2:].max() < 0.1


def test_the_pool_is_a_weighted_geometric_mean_of_probabilities():
    a, b = image(1, 5, 2, 3, seed=1), image(1, 5, 2, 3, seed=2)
    weight = torch.full((1, 1, 2, 3), 0.3, dtype=a.dtype)
    mean = a.softmax(1) ** 0.3 * b.softmax(1) ** 0.7
    torch.testing.assert_close(pooled(a, b, weight).softmax(1), mean / mean.sum(1, keepdim=True))


def test_a_source_as_dark_as_black_gets_no_weight():
    black = torch.tensor([2.0, 1.0, 0.0, 0.0, 0.0])
    dark, seen = black.view(1, 5, 1, 1).expand(1, 5, 3, 4), surely([1, 2, 3, 4])
    log_black = black.log_softmax(0)
    assert guidance(dark, seen, log_black, TARGETS, BODIES, 0.1).w_thermal.max() < 0.1
    assert guidance(seen, dark, log_black, TARGETS, BODIES, 0.1).w_thermal.min() > 0.9
    both = guidance(dark, dark, log_black, TARGETS, BODIES, 0.1).w_thermal
    torch.testing.assert_close(both, torch.full_like(both, 0.5), atol=1e-4, rtol=0)


def test_even_weights_are_one_half_everywhere_and_keep_no_target():
    torch.manual_seed(0)
    network = UAAFusion(replace(preset('fast'), weights='even'), [1, 2]).eval()
    sources = [image(1, n, 64, 96, seed=n, dtype=torch.float32) for n in (1, 1, 2)]
    with torch.no_grad():
        _, guide, _ = network(*sources)
    assert (guide.w_thermal == 0.5).all()
    assert not guide.targets.any()
