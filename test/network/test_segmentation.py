import cv2
import numpy as np
import torch
from toys import image

from uaafusion_ros.network.segmentation import LiteSegmenter
from uaafusion_ros.network.segmentation import rgb_to_ycrcb
from uaafusion_ros.network.segmentation import YCrCbToRGB


def test_colour_conversion_and_its_inverse():
    rgb = image(2, 3, 5, 6)
    y, chroma = rgb_to_ycrcb(rgb)
    back = YCrCbToRGB().to(y.dtype)(torch.cat((y, chroma), dim=1))
    torch.testing.assert_close(back, rgb, rtol=0, atol=2e-6)


def test_colour_conversion_is_that_of_opencv():
    rgb = image(1, 3, 32, 32, dtype=torch.float32)
    y, chroma = rgb_to_ycrcb(rgb)
    ours = torch.cat((y, chroma), dim=1)[0].permute(1, 2, 0).numpy()
    theirs = cv2.cvtColor(rgb[0].permute(1, 2, 0).numpy(), cv2.COLOR_RGB2YCrCb)
    # OpenCV rounds its factors to three digits.
    np.testing.assert_allclose(ours, theirs, atol=5e-4)


def test_lite_segmenter_shapes_and_scores():
    net = LiteSegmenter(5, 8).eval()
    luma, chroma = (image(2, c, 32, 96, dtype=torch.float32) for c in (1, 2))
    with torch.no_grad():
        logits, scores = net(luma, chroma), net.scores(luma, chroma)
        assert net.coarse(torch.cat((luma, chroma), dim=1)).shape == (2, 5, 8, 24)
    assert logits.shape == (2, 5, 32, 96)
    torch.testing.assert_close(scores, logits.exp() / logits.exp().sum(1, keepdim=True))


def test_lite_segmenter_looks_at_colour():
    net = LiteSegmenter(5, 8).eval()
    luma, chroma = (image(1, c, 32, 32, dtype=torch.float32) for c in (1, 2))
    with torch.no_grad():
        assert not torch.allclose(net(luma, chroma), net(luma, chroma.flip(1)), atol=1e-7)
