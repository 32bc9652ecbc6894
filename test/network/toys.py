"""A small smooth segmenter, random images and comparison, shared by the tests of this folder."""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor


class ToySegmenter(nn.Module):
    """Two convolutions and tanh; class scores by softmax. In doubles, for slow loops."""

    def __init__(self, classes: int = 4, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.Conv2d(6, classes, 3, padding=1))
        self.double()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(3)

    def scores(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Return class scores (B, C, H, W); chroma shifts those of class 0."""
        logits = self.body(luma)
        shift = torch.zeros_like(logits)
        shift[:, 0] = chroma[:, 0] - 0.5
        return (logits + shift).softmax(1)

    def forward(self, luma: Tensor) -> Tensor:
        """Return class scores of luma alone."""
        return self.scores(luma, luma.new_full((luma.shape[0], 2, *luma.shape[2:]), 0.5))


def enlivened(segmenter: nn.Module) -> nn.Module:
    """Make a fresh LiteSegmenter, which sees next to the same everywhere, tell places apart."""
    with torch.no_grad():
        for module in segmenter.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.1, 0.4)
        last = segmenter.classify[-1]
        noise = image(1, 3, 64, 64, dtype=last.weight.dtype)
        last.weight.mul_(3 / segmenter.coarse(noise).std(dim=(2, 3)).mean())
    return segmenter


def image(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return uniform noise in [0, 1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def blocks(height: int, width: int) -> Tensor:
    """Return a class map of four rectangles of unequal size, ids 0 to 3."""
    classes = torch.zeros(height, width, dtype=torch.uint8)
    classes[:, width // 3:] = 1
    classes[height // 4:, width // 2:] = 2
    classes[-2:, :3] = 3
    return classes


def parameters(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(p.numel() for p in module.parameters())
