import pytest
import torch
from toys import blocks
from toys import image
from toys import ToySegmenter

from uaafusion_ros.network import attribution


def slow_attributions(segment, x, classes, count, steps):
    """Equations (4) and (5) of the method, one gradient per step, class and pixel sum."""
    result = [0.0] * count
    for c in range(count):
        region = [(i, j) for i in range(x.shape[2]) for j in range(x.shape[3])
                  if classes[i, j] == c]
        if not region:
            continue
        for n in range(1, steps + 1):
            point = (x * n / steps).detach().requires_grad_()
            scores = segment(point)
            target = sum(scores[0, c, i, j] for i, j in region) / len(region)
            slope = torch.autograd.grad(target, point)[0]
            result[c] += sum(float(x[0, 0, i, j] * slope[0, 0, i, j])
                             for i, j in region) / len(region) / steps
    return torch.tensor(result, dtype=x.dtype)


@pytest.mark.parametrize('steps', [1, 5])
def test_class_attributions_equal_the_slow_loop(steps):
    segment, x, classes = ToySegmenter(), image(1, 1, 9, 12), blocks(9, 12)
    got = attribution.class_attributions(segment, x, classes, 4, steps)
    want = slow_attributions(segment, x, classes, 4, steps)
    assert want.abs().min() > 1e-5
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12)


def test_absent_classes_and_ids_out_of_range_have_no_attribution():
    segment, x = ToySegmenter(), image(1, 1, 8, 8)
    classes = torch.full((8, 8), 255, dtype=torch.uint8)
    classes[:4] = 2
    got = attribution.class_attributions(segment, x, classes, 4)
    assert got.nonzero().flatten().tolist() == [2]
    torch.testing.assert_close(got[2], slow_attributions(segment, x, classes, 4, 5)[2])


def test_a_batch_shares_its_regions():
    segment, classes = ToySegmenter(), torch.stack((blocks(6, 8), blocks(6, 8).flip(1)))
    x = image(2, 1, 6, 8)
    got = attribution.class_attributions(segment, x, classes, 4)
    # Side by side, with the segmenter looking at each half alone, the batch is one image.
    def halves(wide):
        return torch.cat([segment(half) for half in wide.chunk(2, dim=3)], dim=3)
    wide = torch.cat((x[:1], x[1:]), dim=3)
    want = slow_attributions(halves, wide, torch.cat((classes[0], classes[1]), dim=1), 4, 5)
    torch.testing.assert_close(got, want)
    alone = attribution.class_attributions(segment, x[:1], classes[0], 4)
    assert (got - alone).abs().max() > 1e-4


def test_integrated_gradients_are_complete_over_a_region_that_is_the_whole_image():
    segment, x = ToySegmenter(), image(1, 1, 8, 10)
    for c in range(4):
        everywhere = torch.full((8, 10), c)
        a = attribution.class_attributions(segment, x, everywhere, 4, steps=2000)[c]
        with torch.no_grad():
            rise = segment(x)[0, c].mean() - segment(torch.zeros_like(x))[0, c].mean()
        assert abs(rise) > 1e-2
        # a_c is a mean over the region, T_c(x) - T_c(0) the sum of which it is the mean.
        torch.testing.assert_close(a * 80, rise, rtol=2e-3, atol=0)


def test_the_weight_map_is_the_share_of_the_class_of_each_pixel():
    share, classes = torch.tensor([0.1, 0.9, 0.3, 0.7]), blocks(6, 9)
    classes[0, 0] = 255
    got = attribution.weight_map(share, classes)
    for i in range(6):
        for j in range(9):
            c = int(classes[i, j])
            assert got[i, j] == (0.5 if c == 255 else share[c])


def test_path_attention_equals_the_recursion_of_the_method():
    segment = ToySegmenter()
    iterates = [image(2, 1, 6, 7, seed=s) for s in range(5)]
    reference = segment(image(2, 1, 6, 7, seed=9)).detach()
    got = attribution.path_attention(segment, iterates, reference)
    assert len(got) == 4
    assert (got[0] == 0).all()
    previous = torch.zeros(2, 1, 6, 7, dtype=torch.float64)
    for k in range(2, 5):
        step = torch.zeros_like(previous)
        for b in range(2):
            point = iterates[k - 1][b:b + 1].clone().requires_grad_()
            total = sum((reference[b, c] * segment(point)[0, c]).sum() for c in range(4))
            slope = torch.autograd.grad(total, point)[0][0]
            step[b] = slope * (iterates[k - 1][b] - iterates[k - 2][b])
        previous = ((k - 2) * previous + step) / (k - 1)
        assert previous.abs().max() > 1e-2
        torch.testing.assert_close(got[k - 1], previous, rtol=1e-9, atol=1e-12)
        assert not got[k - 1].requires_grad


def test_normalised_maps_have_unit_spread_per_image_and_are_clipped():
    maps = torch.stack(((image(1, 20, 20) - 0.5) * 1e-6, (image(1, 20, 20, seed=1) - 0.5) * 50))
    got = attribution.normalised(maps)
    torch.testing.assert_close(got.std(dim=(1, 2, 3)), torch.ones(2).double(), rtol=1e-3, atol=0)
    spiked = torch.zeros(1, 1, 20, 20)
    spiked[0, 0, 3, 3] = 1.0
    assert attribution.normalised(spiked).max() == 3.0
    assert (attribution.normalised(torch.zeros(1, 1, 4, 4)) == 0).all()
