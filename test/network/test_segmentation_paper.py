import torch
from torch import nn
from toys import image
from toys import parameters

from uaafusion_ros.network.segmentation_paper import PaperSegmenter


def test_size_for_the_fifteen_classes_of_the_paper():
    assert parameters(PaperSegmenter(15)) == 3_255_519


def test_features_lie_at_strides_4_and_16():
    net = PaperSegmenter(15).eval()
    x = image(1, 1, 256, 256, dtype=torch.float32)
    with torch.no_grad():
        low, high = net.features(x)
        logits = net(x, x.expand(-1, 2, -1, -1))
    assert low.shape == (1, 24, 64, 64)
    assert high.shape == (1, 320, 16, 16)
    assert logits.shape == (1, 15, 256, 256)


def test_the_last_blocks_are_dilated_in_place_of_the_last_stride():
    depthwise = [m for m in (*PaperSegmenter(2).low.modules(), *PaperSegmenter(2).high.modules())
                 if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert [m.dilation[0] for m in depthwise] == [1] * 14 + [2] * 3
    assert [m.stride[0] for m in depthwise].count(2) == 3


def test_scores_are_one_sigmoid_per_class_whatever_the_colour():
    net = PaperSegmenter(3).eval()
    x = image(2, 1, 32, 48, dtype=torch.float32)
    one, other = torch.zeros(2, 2, 32, 48), torch.ones(2, 2, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(net.scores(x, one), torch.sigmoid(net(x, other)))
