"""Building blocks of a stage: convolution unit and the two long-term memories."""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor

State = tuple[Tensor, Tensor]


def activation(name: str) -> nn.Module:
    """Return 'prelu' (one shared slope, init 0.25), 'lrelu' (slope 0.2) or 'relu'."""
    return {'prelu': nn.PReLU, 'lrelu': lambda: nn.LeakyReLU(0.2), 'relu': nn.ReLU}[name]()


def conv3x3(inputs: int, outputs: int, padding: str) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size; `padding` is 'reflect' or 'zeros'."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode=padding)


class ConvUnit(nn.Sequential):
    """3x3 convolution, activation, 3x3 convolution (the paper's ConvUnit)."""

    def __init__(self, inputs: int, middle: int, outputs: int, padding: str, act: str) -> None:
        super().__init__(
            conv3x3(inputs, middle, padding), activation(act), conv3x3(middle, outputs, padding))


class ConvLSTMMemory(nn.Module):
    """
    Long-term memory of the paper: ConvUnit_5, a ConvLSTM along the stages, ConvUnit_6.

    The four gates share one convolution on the input and one on the hidden state; biases add,
    so this equals the published eight convolutions. In the first stage there is no state, and
    h' = o * c' without tanh, as in MADUN (Song et al., ACM MM 2021).
    """

    def __init__(self, channels: int, padding: str, act: str) -> None:
        super().__init__()
        self.refine = ConvUnit(3 * channels, channels, channels, padding, act)
        self.from_input = conv3x3(channels, 4 * channels, padding)
        self.from_hidden = conv3x3(channels, 4 * channels, padding)
        self.to_memory = ConvUnit(channels, channels, channels, padding, act)

    def forward(self, z: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Return m_l (B, C, H, W) and the new (h, c) from z (B, 3C, H, W)."""
        z = self.refine(z)
        gates = self.from_input(z)
        if state is not None:
            gates = gates + self.from_hidden(state[0])
        forget, enter, leave, candidate = gates.chunk(4, dim=1)
        cell = torch.sigmoid(enter) * torch.tanh(candidate)
        if state is None:
            hidden = torch.sigmoid(leave) * cell
        else:
            cell = torch.sigmoid(forget) * state[1] + cell
            hidden = torch.sigmoid(leave) * torch.tanh(cell)
        return self.to_memory(hidden), (hidden, cell)


class GatedMemory(nn.Module):
    """
    Long-term memory in one pointwise convolution, for real time.

    A minimal gated unit (Zhou et al., 2016) per pixel: c' = g * c + (1 - g) * tanh(candidate).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(3 * channels, 2 * channels, 1)

    def forward(self, z: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Return m_l (B, C, H, W) and the new state from z (B, 3C, H, W)."""
        gate, candidate = self.gates(z).chunk(2, dim=1)
        gate = torch.sigmoid(gate)
        cell = (1 - gate) * torch.tanh(candidate)
        if state is not None:
            cell = cell + gate * state[1]
        return cell, (cell, cell)
