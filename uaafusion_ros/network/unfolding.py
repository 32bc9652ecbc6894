"""
The unfolding network: proximal gradient steps on an attribution-weighted data term.

H. Bai et al., "Deep Unfolding Multi-modal Image Fusion Network via Attribution Analysis",
IEEE TCSVT 35(4), 2025. Each stage is one gradient step, F0 = I - rho (w1 (I - I_thermal) +
w2 (I - I_luma)) with w1 + w2 = 1, followed by a learned proximal operator with attribution
attention, a short-term memory (the stage's features) and a long-term memory along the stages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.network.layers import ConvUnit
from uaafusion_ros.network.layers import State

# Attention of stage k (counted from 0) given the iterates so far, first the source average.
Attention = Callable[[int, list[Tensor]], Tensor]


@dataclass(frozen=True)
class Unfolded:
    """
    What the stages made of both sources.

    iterates: [I^(0), ..., I^(K)], each (B, 1, H, W), not clipped; the last is the fused luma.
    features: those of the last stage, (B, channels, H/d, W/d).
    """

    iterates: list[Tensor]
    features: Tensor


class Descent(nn.Module):
    """The data step with a learnable step size rho."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.tensor(initial))

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return image - rho (image - target); target = w1 I_thermal + w2 I_luma."""
        return image - self.rho * (image - target)


class DiscardedDescent(Descent):
    """The data step as published: computed and thrown away, so rho receives no gradient."""

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return `image` untouched."""
        return image


class ConvHead(nn.Module):
    """Regenerates the image from features, as the paper's figure shows."""

    outputs = 1  # of `unit`, per pixel

    def __init__(self, unit: nn.Module) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, features: Tensor, before: Tensor, thermal: Tensor,
                luma: Tensor) -> Tensor:
        """Return the new image; F0 (`before`) and the sources are not used."""
        return self.unit(features)


class SigmoidHead(ConvHead):
    """The same behind a sigmoid, as the published code has it."""

    def forward(self, features: Tensor, before: Tensor, thermal: Tensor,
                luma: Tensor) -> Tensor:
        """Return the new image, in (0, 1)."""
        return torch.sigmoid(self.unit(features))


class BlendHead(nn.Module):
    """
    Moves F0 towards each source by a learned share of the way, and adds a correction.

    What is sharp in a source stays sharp however small the network is: features choose, and the
    pixels come from the cameras.
    """

    outputs = 3  # of `unit`, per pixel

    def __init__(self, unit: nn.Module) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, features: Tensor, before: Tensor, thermal: Tensor,
                luma: Tensor) -> Tensor:
        """Return F0 + a (I_thermal - F0) + b (I_luma - F0) + c, all (B, d*d, H/d, W/d)."""
        to_thermal, to_luma, correction = self.unit(features).chunk(3, dim=1)
        return (before + to_thermal * (thermal - before) + to_luma * (luma - before)
                + correction)


class Stage(nn.Module):
    """One stage: data step and proximal operator."""

    def __init__(self, step: Descent, enter: nn.Module, inject: nn.Module, attend: nn.Module,
                 head: nn.Module, memory: nn.Module) -> None:
        super().__init__()
        self.step, self.enter, self.inject, self.attend = step, enter, inject, attend
        self.head, self.memory = head, memory

    def forward(self, image: Tensor, target: Tensor, sources: State, attention: Tensor | None,
                memories: State, state: State | None) -> tuple[Tensor, State, State]:
        """
        Return the new image, (m_l, m_s) and the memory's state.

        Images are pixel-unshuffled, (B, d*d, H/d, W/d): the iterate, the target of the data
        step and both sources, thermal first. `attention` is A (B, 1, H/d, W/d) before its
        sigmoid, d the downscale factor; None for a network without attention.
        """
        image = self.step(image, target)
        f1 = self.enter(image)
        f2 = self.inject(torch.cat((f1, *memories), dim=1))
        more = self.attend(f2)
        f3 = f2 + (more if attention is None else more * torch.sigmoid(attention))
        image = self.head(f3, image, *sources)
        long, state = self.memory(torch.cat((f1, f2, f3), dim=1), state)
        return image, (long, f3), state


class UnfoldingNet(nn.Module):
    """K stages; sizes must be multiples of `downscale`."""

    def __init__(self, stages: list[Stage], from_thermal: ConvUnit, from_luma: ConvUnit,
                 downscale: int) -> None:
        super().__init__()
        self.from_thermal, self.from_luma = from_thermal, from_luma
        self.stages = nn.ModuleList(stages)
        self.downscale = downscale

    def cells(self, w_thermal: Tensor) -> Tensor:
        """Return the mean of w1 (B, 1, H, W) over the squares that share a feature vector."""
        return F.avg_pool2d(w_thermal, self.downscale)

    def forward(self, thermal: Tensor, luma: Tensor, w_thermal: Tensor,
                attention: Attention | None = None) -> list[Tensor]:
        """Return the iterates of `unfold`."""
        return self.unfold(thermal, luma, w_thermal, attention).iterates

    def unfold(self, thermal: Tensor, luma: Tensor, w_thermal: Tensor,
               attention: Attention | None = None) -> Unfolded:
        """
        Fuse thermal and luma, (B, 1, H, W) in [0, 1].

        w_thermal: w1 in [0, 1] as `cells` returns it, (B, 1, H/d, W/d).
        """
        def small(x: Tensor) -> Tensor:
            return F.pixel_unshuffle(x, self.downscale)

        sources = small(thermal), small(luma)
        memory = torch.cat((self.from_thermal(sources[0]), self.from_luma(sources[1])), dim=1)
        memories, state = (memory, memory), None
        target = sources[1] + w_thermal * (sources[0] - sources[1])
        iterates = [(thermal + luma) / 2]
        image = small(iterates[0])
        for index, stage in enumerate(self.stages):
            gate = attention(index, iterates) if attention else None
            image, memories, state = stage(image, target, sources, gate, memories, state)
            iterates.append(F.pixel_shuffle(image, self.downscale))
        return Unfolded(iterates, memories[1])
