"""The random attributions under which the unfolding network is trained."""

import pytest

torch = pytest.importorskip('torch')

from train.fusion_phase import random_attention  # noqa: E402
from train.fusion_phase import random_weights  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_weights_are_soft_regions_between_zero_and_one():
    weights = torch.cat([random_weights((4, 1, 64, 96), seeded(s)) for s in range(8)])
    assert weights.shape == (32, 1, 64, 96)
    assert 0 <= weights.min() and weights.max() <= 1
    # Regions differ within an image, and even ones are common.
    spread = weights.amax(dim=(1, 2, 3)) - weights.amin(dim=(1, 2, 3))
    assert (spread > 0.2).float().mean() > 0.5
    assert ((weights - 0.5).abs() < 0.01).float().mean() > 0.1
    assert torch.equal(random_weights((4, 1, 64, 96), seeded(0)), weights[:4])


def test_attention_starts_at_nothing_and_has_the_features_size():
    attention = random_attention(preset('fast'), 2, seeded(0))
    iterates = [torch.zeros(2, 1, 64, 96)]
    assert not attention(0, iterates).any()
    later = attention(2, iterates)
    assert later.shape == (2, 1, 16, 24)
    assert later.std() > 0.01
