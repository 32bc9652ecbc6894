"""
The shape of SeAFusion's network, with random weights: what a fused image costs elsewhere.

L. Tang, J. Yuan, J. Ma, "Image fusion in the loop of high-level vision tasks", Information Fusion
82, 2022: for each camera a convolution and two gradient residual dense blocks, then a decoder,
all at full resolution. It gives the fused luma alone, no mask.
"""

from __future__ import annotations

import io
import warnings

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

PARAMETERS = 166_883
INPUTS, OUTPUTS = ('thermal', 'luma'), ('fused',)
_SLOPE = 0.1


def _conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2)


class _Block(nn.Module):
    """Gradient residual dense block; the gradient is a depthwise Sobel filter's, |x| + |y|."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = _conv(inputs, inputs), _conv(2 * inputs, inputs)
        self.narrow, self.widen = _conv(3 * inputs, outputs, 1), _conv(inputs, outputs, 1)
        kernel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        self.sobel = nn.ModuleList(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False) for _ in range(2))
        for conv, values in zip(self.sobel, (kernel, kernel.T)):
            conv.weight.data.copy_(values)

    def forward(self, x: Tensor) -> Tensor:
        dense = torch.cat((x, F.leaky_relu(self.first(x), _SLOPE)), 1)
        dense = torch.cat((dense, F.leaky_relu(self.second(dense), _SLOPE)), 1)
        gradient = sum(conv(x).abs() for conv in self.sobel)
        return F.leaky_relu(self.narrow(dense) + self.widen(gradient), _SLOPE)


def _encoder() -> nn.Sequential:
    return nn.Sequential(_conv(1, 16), nn.LeakyReLU(_SLOPE), _Block(16, 32), _Block(32, 48))


def _stage(inputs: int, outputs: int, activation: nn.Module) -> list[nn.Module]:
    return [_conv(inputs, outputs), nn.BatchNorm2d(outputs), activation]


class SeAFusionShape(nn.Module):
    """thermal and luma (B, 1, H, W) in [0, 1] to a fused luma (B, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.thermal, self.luma = _encoder(), _encoder()
        self.decoder = nn.Sequential(
            *_stage(96, 64, nn.LeakyReLU(_SLOPE)), *_stage(64, 32, nn.LeakyReLU(_SLOPE)),
            *_stage(32, 16, nn.LeakyReLU(_SLOPE)), *_stage(16, 1, nn.Tanh()))

    def forward(self, thermal: Tensor, luma: Tensor) -> Tensor:
        features = torch.cat((self.luma(luma), self.thermal(thermal)), 1)
        return self.decoder(features) / 2 + 0.5


def make() -> SeAFusionShape:
    torch.manual_seed(0)
    network = SeAFusionShape().eval().requires_grad_(False)
    count = sum(p.numel() for p in network.parameters())
    assert count == PARAMETERS, f'{count} parameters, {PARAMETERS} are published'
    return network


def onnx_bytes(height: int, width: int) -> bytes:
    """Return the network as ONNX for images of one size."""
    # Two tensors: the exporter takes one that comes twice for one input.
    example = (torch.zeros(1, 1, height, width), torch.zeros(1, 1, height, width))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            make(), example, input_names=INPUTS, output_names=OUTPUTS, opset_version=18,
            dynamo=True, verbose=False)
    file = io.BytesIO()
    program.save(file)
    return file.getvalue()
