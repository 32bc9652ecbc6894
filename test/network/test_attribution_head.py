import torch
from toys import image

from uaafusion_ros.network.attribution_head import AttributionHead


def inputs(batch=2):
    luma, thermal = (image(batch, 1, 32, 64, seed=s, dtype=torch.float32) for s in (1, 2))
    scores = (image(batch, 5, 4, 8, dtype=torch.float32) * 9).softmax(1)
    return thermal, luma, scores


def test_outputs_have_their_shapes_and_ranges():
    head = AttributionHead(5, 4, 8).eval()
    with torch.no_grad():
        weights, maps = head(*inputs())
    assert weights.shape == (2, 1, 32, 64)
    assert ((weights > 0) & (weights < 1)).all()
    assert maps.shape == (2, 3, 4, 8)
    assert torch.isfinite(maps).all()


def test_images_of_a_batch_do_not_mix():
    head = AttributionHead(5, 4, 8).eval()
    with torch.no_grad():
        both = head(*inputs())
        for b in range(2):
            alone = head(*(x[b:b + 1] for x in inputs()))
            for one, all_ in zip(alone, both):
                torch.testing.assert_close(one, all_[b:b + 1], atol=1e-5, rtol=1e-4)


def test_the_weights_are_constant_where_one_class_is_certain():
    head = AttributionHead(5, 4, 8).eval()
    thermal, luma, _ = inputs(1)
    scores = torch.zeros(1, 5, 4, 8)
    scores[:, 1, :, :4], scores[:, 3, :, 4:] = 1, 1
    with torch.no_grad():
        weights, _ = head(thermal, luma, scores)
    left, right = weights[..., :28], weights[..., 36:]
    assert left.max() - left.min() < 1e-6
    assert right.max() - right.min() < 1e-6
    assert abs(left.mean() - right.mean()) > 1e-5


def test_each_class_spreads_its_own_share():
    class Known(torch.nn.Module):
        def forward(self, x):
            return torch.arange(5.0).view(1, 5, 1) - 2

    head = AttributionHead(5, 4, 8).eval()
    head.share = Known()
    thermal, luma, _ = inputs(1)
    scores = torch.zeros(1, 5, 4, 8)
    scores[:, 1, :, :4], scores[:, 4, :, 4:] = 1, 1
    with torch.no_grad():
        weights, _ = head(thermal, luma, scores)
    assert torch.allclose(weights[..., :28], torch.tensor(-1.0).sigmoid())
    assert torch.allclose(weights[..., 36:], torch.tensor(2.0).sigmoid())


def test_gradients_reach_every_parameter():
    head = AttributionHead(5, 4, 8)
    weights, maps = head(*inputs())
    (weights.sum() + maps.square().sum()).backward()
    assert not [n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()]
