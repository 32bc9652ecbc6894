import pytest
import torch
from torch import nn
from toys import blocks
from toys import image

from uaafusion_ros.network import attribution
from uaafusion_ros.network import attribution_paper
from uaafusion_ros.network.exact import attributions
from uaafusion_ros.network.segmentation_paper import PaperSegmenter


@pytest.fixture(scope='module')
def network():
    """Return a network in doubles whose batch norms do something and whose units live."""
    torch.manual_seed(0)
    net = PaperSegmenter(5).double()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    with torch.no_grad():
        net.train()(image(2, 1, 64, 96), None)
    return net.eval()


def corners(height, width):
    """Return classes in the four corners and the middle, so that windows meet every border."""
    classes = torch.full((height, width), 4)
    classes[:9, :9], classes[:9, -9:], classes[-9:, :9], classes[-9:, -9:] = 0, 1, 2, 3
    return classes


@pytest.mark.slow
@pytest.mark.parametrize('regions', [blocks, corners])
def test_equal_to_the_general_way(network, regions):
    x, classes = image(1, 1, 64, 96, seed=3), regions(64, 96)
    want = attribution.class_attributions(
        lambda path: network.scores(path, path), x, classes, 5)
    got = attribution_paper.class_attributions(network, x, classes.unsqueeze(0))
    assert want.abs().max() > 1e-4
    torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-12)


@pytest.mark.slow
def test_equal_for_a_batch_with_other_classes_in_each_image(network):
    x = image(2, 1, 48, 32, seed=4)
    classes = torch.stack((blocks(48, 32).clamp_max(2), blocks(48, 32) + 1))
    classes[1, :5] = 255
    want = attribution.class_attributions(
        lambda path: network.scores(path, path), x, classes, 5, steps=3)
    got = attribution_paper.class_attributions(network, x, classes, steps=3)
    torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-12)


def test_folding_leaves_the_network_alone_and_its_scores_the_same(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = image(1, 1, 32, 32)
    folded = attribution_paper.folded(network)
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        torch.testing.assert_close(folded.scores(x, x), network.scores(x, x))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_exact_fusion_takes_this_way(network, monkeypatch):
    monkeypatch.setattr(attribution_paper, 'class_attributions', lambda *args: 'this way')
    x = image(1, 1, 32, 32)
    assert attributions(network, x, x, None, 5, 5) == 'this way'
