"""The image to aim at keeps what either source shows, and follows the weights."""

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from train.target import emphasised  # noqa: E402
from train.target import target  # noqa: E402


def flat(value, size=64):
    return torch.full((1, 1, size, size), float(value))


def test_the_brighter_of_two_flat_images_wins():
    torch.testing.assert_close(target(flat(0.2), flat(0.7), flat(0.5), 0.5), flat(0.7))
    torch.testing.assert_close(target(flat(0.7), flat(0.2), flat(0.5), 0.5), flat(0.7))


def test_weights_are_a_preference_and_no_veto():
    thermal, luma = flat(0.3), flat(0.5)
    torch.testing.assert_close(target(thermal, luma, flat(0.9), 0.5), thermal)
    torch.testing.assert_close(target(flat(0.1), luma, flat(0.9), 0.5), luma)
    torch.testing.assert_close(target(thermal, luma, flat(0.5), 0.5), luma)


def test_a_small_preference_decides_between_near_equals_alone():
    thermal = flat(0.3)
    torch.testing.assert_close(target(thermal, flat(0.5), flat(0.9), 0.1), flat(0.5))
    torch.testing.assert_close(target(thermal, flat(0.35), flat(0.9), 0.1), thermal)
    torch.testing.assert_close(target(thermal, flat(0.31), flat(1.0), 0.0), flat(0.31))


def test_equal_sources_come_back():
    x = torch.from_numpy(np.random.default_rng(0).random((1, 1, 64, 96), np.float32))
    torch.testing.assert_close(target(x, x, torch.rand(1, 1, 64, 96), 0.5), x, atol=1e-5, rtol=0)


def test_fine_detail_of_the_darker_source_survives():
    """Luma is bright and flat, thermal dark with a fine pattern: the pattern stays."""
    pattern = (torch.arange(64) // 2 % 2 * 0.2).expand(1, 1, 64, 64)
    got = target(pattern + 0.1, flat(0.8), flat(0.5), 0.5)
    assert got.mean().item() == pytest.approx(0.8, abs=0.03)
    assert got[..., 16:48].std() > 0.5 * pattern.std()


def test_attention_brightens_what_is_around_it_and_nothing_else():
    """By the share where it is strong, by nothing where it is negative or zero."""
    image, attention = flat(0.4, 128), torch.zeros(1, 1, 32, 32)
    assert torch.equal(emphasised(image, attention, 0.5), image)
    assert torch.equal(emphasised(image, attention - 3, 0.5), image)
    torch.testing.assert_close(emphasised(image, attention + 50, 0.5), flat(0.6, 128))
    attention[..., :8] = 50.0
    got = emphasised(image, attention, 0.5)
    assert got[..., :8].mean() > 0.5 and torch.equal(got[..., 80:], image[..., 80:])
    torch.testing.assert_close(emphasised(flat(0.9, 128), attention + 50, 0.5), flat(1.0, 128))
