"""Rebasing takes every size that the network takes, the smallest too."""

import pytest

torch = pytest.importorskip('torch')

from uaafusion_ros.network.contrast import rebased  # noqa: E402


@pytest.mark.parametrize('size', ((32, 32), (32, 64), (64, 32)))
def test_a_target_of_the_smallest_images_is_brought_to_a_common_level(size):
    height, width = size
    thermal, luma = torch.full((1, 1, *size), 0.2), torch.full((1, 1, *size), 0.5)
    targets = torch.zeros(1, 1, height // 4, width // 4)
    weights = torch.full_like(targets, 0.5)
    same = rebased(thermal, luma, targets, weights)
    assert torch.equal(same[0], thermal) and torch.equal(same[1], luma)
    targets[..., 3:5, 3:5] = 1
    thermal[..., 12:20, 12:20] = 0.9
    by_thermal, by_luma = rebased(thermal, luma, targets, weights)
    assert by_thermal.shape == by_luma.shape == thermal.shape
    # Warm by 0.7 before a background of 0.2: now before one of 0.5, in both.
    inside = (..., slice(14, 18), slice(14, 18))
    assert by_luma[inside].mean() > 0.9 and by_thermal[inside].mean() > 0.9
