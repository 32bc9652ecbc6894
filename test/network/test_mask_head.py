"""The mask's head: a pool of both looks before it is trained, finer than they are after."""

import pytest
import torch
import torch.nn.functional as F
from toys import image

from uaafusion_ros.network.guidance import pooled
from uaafusion_ros.network.mask_head import MaskHead


@pytest.fixture
def parts():
    """Features and logits of both looks, w1, and features of the fusion at a finer grid."""
    def random(*shape):
        return tuple(image(2, *shape, seed=s, dtype=torch.float32) for s in (1, 2))
    return (random(8, 5, 6), random(4, 5, 6), image(2, 1, 5, 6, seed=3, dtype=torch.float32),
            image(2, 3, 8, 12, seed=4, dtype=torch.float32))


def test_a_fresh_head_is_the_pool_of_both_looks(parts):
    _, logits, share, fused = parts
    with torch.no_grad():
        got = MaskHead(4, 8, 3, 16).eval()(*parts)
    want = F.interpolate(
        pooled(*logits, share), size=fused.shape[2:], mode='bilinear', align_corners=False)
    torch.testing.assert_close(got, want)


def test_a_trained_head_reads_looks_weights_and_fused_image(parts):
    head = MaskHead(4, 8, 3, 16).eval()
    torch.nn.init.normal_(head.refine[-1].weight)
    features, logits, share, fused = parts
    with torch.no_grad():
        before = head(*parts)
        for changed in (((features[0].flip(3), features[1]), logits, share, fused),
                        (features, logits, share, fused.flip(3))):
            assert (head(*changed) - before).abs().max() > 1e-4
        # What has no weight is not seen.
        alone = torch.zeros_like(share)
        others = [(image(2, c, 5, 6, seed=9, dtype=torch.float32), kept[1])
                  for c, kept in ((8, features), (4, logits))]
        torch.testing.assert_close(
            head(*others, alone, fused), head(features, logits, alone, fused))
