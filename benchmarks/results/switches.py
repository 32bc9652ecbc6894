"""
Parts of an unfolding network, switched off where it is evaluated.

Nothing is trained again, so this tells how much a network as trained makes of a part, not what
could be had without the part. A switch hooks into the fusion network of any preset.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from uaafusion_ros.network.unfolding import UnfoldingNet

Switch = Callable[[UnfoldingNet], list[RemovableHandle]]


@contextmanager
def switched(fusion: UnfoldingNet, switch: Switch) -> Iterator[None]:
    """Apply a switch to a network and take it back in the end."""
    handles = switch(fusion)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def nothing(fusion: UnfoldingNet) -> list[RemovableHandle]:
    """Leave the network as it is."""
    return []


def even_weights(fusion: UnfoldingNet) -> list[RemovableHandle]:
    """Weigh both sources alike: w1 = w2 = 1/2 everywhere."""
    def hook(module, args):
        thermal, luma, weights, attention = args
        return thermal, luma, torch.full_like(weights, 0.5), attention
    return [fusion.register_forward_pre_hook(hook)]


def attention_off(fusion: UnfoldingNet) -> list[RemovableHandle]:
    """Give every stage the attention A = 0, behind whose sigmoid stands one half."""
    def hook(module, args):
        *images, _ = args
        return *images, lambda stage, iterates: iterates[0].new_zeros(1, 1, 1, 1)
    return [fusion.register_forward_pre_hook(hook)]


def step_off(fusion: UnfoldingNet) -> list[RemovableHandle]:
    """Skip the gradient step of every stage: F0 = I, as if rho were 0."""
    return [stage.step.register_forward_hook(lambda module, args, output: args[0])
            for stage in fusion.stages]


def long_memory_off(fusion: UnfoldingNet) -> list[RemovableHandle]:
    """Zero the long-term memory from the second stage on."""
    return _forgetting(fusion, 1)


def short_memory_off(fusion: UnfoldingNet) -> list[RemovableHandle]:
    """Zero the short-term memory from the second stage on."""
    return _forgetting(fusion, 2)


def _forgetting(fusion: UnfoldingNet, part: int) -> list[RemovableHandle]:
    # What the first stage gets in the memories' place are features of both sources.
    def hook(module, args):
        parts = list(args[0].chunk(3, dim=1))
        parts[part] = torch.zeros_like(parts[part])
        return torch.cat(parts, dim=1)
    return [stage.inject.register_forward_pre_hook(hook) for stage in fusion.stages[1:]]


def stages(count: int) -> Switch:
    """Return the switch that takes the iterate after `count` stages as the result."""
    def switch(fusion: UnfoldingNet) -> list[RemovableHandle]:
        return [fusion.register_forward_hook(
            lambda module, args, iterates: iterates[:count + 1])]
    return switch


def given(iterates: list[Tensor]) -> Switch:
    """Return the switch that takes these iterates for the network's own."""
    def switch(fusion: UnfoldingNet) -> list[RemovableHandle]:
        return [fusion.register_forward_hook(lambda module, args, output: iterates)]
    return switch
