"""Losses against what they say they are."""

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from train import losses  # noqa: E402


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.random((1, 1, 24, 32), np.float32)) for _ in range(3)]


def test_intensity_is_least_at_the_weighted_mean(images):
    """With weights squared the minimum lies at (w1^2 a + w2^2 b) / (w1^2 + w2^2)."""
    thermal, luma, w = images
    best = (w ** 2 * thermal + (1 - w) ** 2 * luma) / (w ** 2 + (1 - w) ** 2)
    least = losses.intensity(best, thermal, luma, w)
    for shift in (-0.05, 0.05):
        assert losses.intensity(best + shift, thermal, luma, w) > least


def test_likeness_counts_values_and_their_steps(images):
    a, b, _ = images
    assert losses.likeness(a, a) == 0
    # A constant error has no steps; a checkerboard of the same size has steps everywhere.
    board = (torch.arange(24).view(-1, 1) + torch.arange(32)) % 2 * 0.2 - 0.1
    flat, rough = losses.likeness(a + 0.1, a), losses.likeness(a + board, a)
    assert flat.item() == pytest.approx(0.1, abs=1e-5)
    assert rough.item() == pytest.approx(0.1 + 0.2, abs=1e-5)


def test_unknown_labels_and_only_those_are_ignored():
    logits = torch.randn(1, 3, 4, 4, generator=torch.manual_seed(0))
    label = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    weights = losses.class_weights(torch.tensor([0.9, 0.09, 0.01]))
    assert losses.cross_entropy(logits, label, weights) == 0
    label[0, 0, 0] = 2
    expected = -logits[0, :, 0, 0].log_softmax(0)[2]
    assert torch.allclose(losses.cross_entropy(logits, label, weights), expected)
    assert weights[2] > weights[1] > weights[0] >= 1
