"""Targets at a common level: their contrast survives a bright background of the other camera."""

import pytest
import torch
from toys import image

from uaafusion_ros.network.contrast import filled
from uaafusion_ros.network.contrast import rebased

INSIDE = (..., slice(40, 72), slice(48, 80))


def scene():
    """Return a thermal-only square before an RGB background brighter than it."""
    thermal = torch.full((1, 1, 96, 128), 0.2)
    thermal[INSIDE] = 0.5
    luma, targets = torch.full_like(thermal, 0.8), torch.zeros(1, 1, 24, 32)
    targets[..., 10:18, 12:20] = 1
    return thermal, luma, targets


def contrast(x):
    return (x[INSIDE].mean() - x[..., 16:28, 48:80].mean()).item()


def test_without_targets_nothing_changes():
    thermal, luma = (image(2, 1, 64, 96, seed=s, dtype=torch.float32) for s in (1, 2))
    share = image(2, 1, 16, 24, seed=3, dtype=torch.float32)
    by_thermal, by_luma = rebased(thermal, luma, torch.zeros_like(share), share, share)
    assert torch.equal(by_thermal, thermal) and torch.equal(by_luma, luma)


def test_a_target_of_one_camera_stands_out_in_both():
    thermal, luma, targets = scene()
    for share in (0.5, 0.8):
        both = rebased(thermal, luma, targets, targets, torch.full_like(targets, share))
        assert contrast(both[1]) >= 0.9 * contrast(thermal)
        assert contrast(both[0]) >= 0.9 * contrast(thermal)
        assert torch.equal(both[0][..., :40], thermal[..., :40])


def test_a_dark_target_stays_dark():
    """A silhouette before a bright sky, which the thermal camera does not see."""
    luma, targets = scene()[1:]
    luma[INSIDE] = 0.4
    thermal = torch.full_like(luma, 0.3)
    for x in rebased(thermal, luma, targets, targets, torch.full_like(targets, 0.2)):
        assert x[INSIDE].mean() - 0.8 <= -0.9 * 0.4


def test_a_body_stands_out_as_a_whole_and_other_targets_part_by_part():
    """A jacket dark to RGB above legs bright to thermal: by parts they would cancel."""
    thermal, luma, targets = torch.full((1, 1, 96, 128), 0.2), torch.full((1, 1, 96, 128), 0.6), 0
    jacket, legs = (..., slice(40, 56), slice(48, 80)), (..., slice(56, 72), slice(48, 80))
    luma[jacket], thermal[jacket], thermal[legs] = 0.2, 0.35, 0.6
    targets = scene()[2]
    half = torch.full_like(targets, 0.5)
    as_parts = rebased(thermal, luma, targets, torch.zeros_like(targets), half)
    as_a_body = rebased(thermal, luma, targets, targets, half)
    for x in as_parts:
        assert x[jacket].mean() < 0.5 and x[legs].mean() > 0.8
    for x in as_a_body:
        assert x[jacket].mean() > 0.6 and x[legs].mean() > 0.8


def test_detail_within_a_cell_stays():
    thermal, luma, targets = scene()
    detail = 0.1 * ((torch.arange(96)[:, None] + torch.arange(128)) % 2 - 0.5)
    plain = rebased(thermal, luma, targets, targets, torch.full_like(targets, 0.5))
    fine = rebased(
        thermal + detail, luma, targets, targets, torch.full_like(targets, 0.5))
    torch.testing.assert_close(fine[0] - plain[0], detail.expand_as(luma), atol=1e-5, rtol=0)


@pytest.mark.parametrize('height,width', [(32, 32), (32, 160), (96, 64)])
def test_sizes(height, width):
    thermal, luma = (image(1, 1, height, width, seed=s, dtype=torch.float32) for s in (1, 2))
    targets = image(1, 1, height // 4, width // 4, dtype=torch.float32)
    for x in rebased(thermal, luma, targets, targets, targets):
        assert x.shape == luma.shape and torch.isfinite(x).all()


def test_filling_keeps_what_is_known_and_reaches_what_is_not():
    """Known on the left alone, where it is 0.7."""
    values, weight = torch.zeros(1, 1, 16, 32), torch.zeros(1, 1, 16, 32)
    values[..., :8], weight[..., :8] = 0.7, 1
    got = filled(values, weight, 4, 5)
    assert (got[..., :8] - 0.7).abs().max() < 0.02
    assert (got[..., 8:] - 0.7).abs().max() < 0.05
