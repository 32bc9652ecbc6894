import torch
from toys import image
from toys import ToySegmenter
from torch.nn import functional as F

from uaafusion_ros.network import attribution
from uaafusion_ros.network.attribution_head import AttributionHead


def inputs(batch=2):
    luma, thermal = (image(batch, 1, 32, 64, seed=s, dtype=torch.float32) for s in (1, 2))
    looks = [(image(batch, 5, 3, 6, seed=s, dtype=torch.float32) * 9).softmax(1)
             for s in (3, 4)]
    return thermal, luma, *looks


def head(floor=0.05):
    torch.manual_seed(0)
    return AttributionHead(5, 4, 8, floor, 4).eval()


def test_outputs_have_their_shapes_and_ranges():
    with torch.no_grad():
        found = head()(*inputs())
    assert found.w_thermal.shape == (2, 1, 32, 64)
    assert ((found.w_thermal > 0) & (found.w_thermal < 1)).all()
    assert found.cells.shape == (2, 1, 8, 16)
    coarse = F.interpolate(found.w_thermal, found.cells.shape[2:], mode='area')
    torch.testing.assert_close(found.cells, coarse, atol=0.05, rtol=0)
    assert found.maps.shape == (2, 3, 3, 6)
    assert torch.isfinite(found.maps).all()
    assert found.thermal.shape == found.luma.shape == (2, 5)


def test_images_of_a_batch_do_not_mix():
    module = head()
    with torch.no_grad():
        both = module(*inputs())
        for b in range(2):
            alone = module(*(x[b:b + 1] for x in inputs()))
            for name, one in vars(alone).items():
                torch.testing.assert_close(
                    one, getattr(both, name)[b:b + 1], atol=1e-5, rtol=1e-4)


def test_the_source_that_shows_a_class_gets_its_region():
    """Thermal alone knows the left half as class 1, luma alone the right half as class 3."""
    thermal, luma, _, _ = inputs(1)
    by_thermal, by_luma = (torch.full((1, 5, 4, 8), 0.2) for _ in range(2))
    by_thermal[..., :4], by_luma[..., 4:] = 0.05, 0.05
    by_thermal[:, 1, :, :4], by_luma[:, 3, :, 4:] = 0.8, 0.8
    with torch.no_grad():
        found = head()(thermal, luma, by_thermal, by_luma)
    assert (found.w_thermal[..., :24] > 0.54).all()
    assert (found.w_thermal[..., 40:] < 0.46).all()
    assert found.thermal[0, 1] > found.luma[0, 1]
    assert found.thermal[0, 3] < found.luma[0, 3]


def test_what_no_source_raises_above_black_stays_even():
    module = head()
    module.black.fill_(0.9)
    thermal, luma, by_thermal, by_luma = inputs(1)
    with torch.no_grad():
        weights = module(thermal, luma, by_thermal, by_luma).w_thermal
    torch.testing.assert_close(weights, torch.full_like(weights, 0.5))


def test_the_closed_form_is_the_limit_of_integrated_gradients():
    """Completeness: what autograd sums over the path, the scores at its ends tell."""
    segment = ToySegmenter()
    x = image(1, 1, 12, 16, seed=1)
    with torch.no_grad():
        regions = segment(image(1, 1, 12, 16, seed=2))
        scores, black = segment(x), segment(torch.zeros_like(x))
        area = regions.sum(dim=(2, 3))
        # The baseline of a class is what a black image scores in its region.
        baseline = ((regions * black).sum(dim=(2, 3)) / area)[0]
        closed = attribution.gain_of_scores(regions, scores, baseline)[0]
    exact = attribution.class_gains(segment, x, regions, steps=100)
    torch.testing.assert_close(closed, exact, atol=1e-4, rtol=0)
    assert exact.abs().max() > 0.05


def test_gradients_reach_every_parameter():
    module = AttributionHead(5, 4, 8, 0.05, 4)
    module(*inputs()).maps.square().sum().backward()
    assert not [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()]
