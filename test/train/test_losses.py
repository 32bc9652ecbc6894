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


def test_hidden_classes_are_not_punished_where_the_label_says_nothing():
    """Label 0 of the second sample may hide class 2: sure of that, the network pays nothing."""
    logits = torch.zeros(2, 3, 2, 2)
    logits[:, 2] = 12.0
    label, weights = torch.zeros(2, 2, 2, dtype=torch.uint8), torch.ones(3)
    first, second = (losses.partial_cross_entropy(
        logits[n:n + 1], label[n:n + 1], weights, [hidden]).item()
        for n, hidden in enumerate(((), (2,))))
    assert first > 11 and second < 1e-4
    both = losses.partial_cross_entropy(logits, label, weights, [(), (2,)])
    assert both.item() == pytest.approx((first + second) / 2)
    # What is not hidden is still ruled out, and a label other than 0 counts as ever.
    logits[:, 1], label[1] = 24.0, 0
    assert losses.partial_cross_entropy(logits[1:], label[1:], weights, [(2,)]) > 10
    label[1] = 2
    assert losses.partial_cross_entropy(logits[1:], label[1:], weights, [(2,)]) > 10


def test_partial_cross_entropy_without_hidden_classes_is_cross_entropy():
    generator = torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    label = torch.randint(0, 3, (2, 4, 4), generator=generator).to(torch.uint8)
    label[0, 0] = 255
    weights = torch.tensor([1.0, 3.0, 9.0])
    torch.testing.assert_close(
        losses.partial_cross_entropy(logits, label, weights, [(), ()]),
        losses.cross_entropy(logits, label, weights))
    # A sample that does not count changes nothing.
    torch.testing.assert_close(
        losses.partial_cross_entropy(logits, label, weights, [(), ()], torch.tensor([1, 0]) > 0),
        losses.cross_entropy(logits[:1], label[:1], weights))
    assert losses.partial_cross_entropy(
        logits, torch.full_like(label, 255), weights, [(), ()]) == 0


def test_lovasz_of_three_pixels_by_hand():
    """
    Two classes; errors of the first 0.2, 0.6, 0.1 at truths 1, 0, 0.

    Sorted 0.6 (wrong), 0.2 (right), 0.1: its Jaccard losses grow 1/2, 1, 1, so 0.6/2 + 0.2/2.
    The second has truths 0, 1, 1 at the same errors: 1/2, 2/3, 1, so 0.6/2 + 0.2/6 + 0.1/3.
    """
    first = torch.tensor([0.8, 0.6, 0.1])
    logits = torch.stack((first, 1 - first)).log().view(1, 2, 1, 3)
    label = torch.tensor([0, 1, 1], dtype=torch.uint8).view(1, 1, 3)
    want = (0.6 / 2 + 0.2 / 2 + 0.6 / 2 + 0.2 / 6 + 0.1 / 3) / 2
    assert losses.lovasz_softmax(logits, label).item() == pytest.approx(want, abs=1e-5)
    more = torch.cat((logits, logits.flip(1)), dim=3)
    unknown = torch.cat((label, torch.full_like(label, 255)), dim=2)
    assert losses.lovasz_softmax(more, unknown).item() == pytest.approx(want, abs=1e-5)


def test_lovasz_of_a_perfect_mask_is_nothing():
    label = torch.randint(0, 3, (2, 6, 6), generator=torch.manual_seed(0))
    logits = 40 * torch.nn.functional.one_hot(label, 3).permute(0, 3, 1, 2).float()
    assert losses.lovasz_softmax(logits, label.to(torch.uint8)).item() == pytest.approx(0)
    assert losses.lovasz_softmax(logits, torch.full_like(label, 255)) == 0
