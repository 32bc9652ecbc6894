"""
Exact attribution: what a segmentation network sees in each source, by its gradients.

Class-wise integrated gradients and the path attribution of the unfolding iterates of H. Bai et
al. (IEEE TCSVT 2025), per image, and by place, as the guidance has it in closed form. `Segment`
maps images (N, 1, H, W) to class scores (N, C, H, W) in [0, 1]; it must not mix the images of a
batch (batch norm in eval mode).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import torch
from torch import Tensor

Segment = Callable[[Tensor], Tensor]


def class_attributions(segment: Segment, image: Tensor, classes: Tensor, count: int,
                       steps: int = 5) -> Tensor:
    """
    Return the class-wise integrated gradients a_c as (C,), 0 for absent classes.

    For class c with region R_c, T_c is the mean score of c over R_c, and
    a_c = 1/|R_c| sum over R_c of x * 1/n sum_i dT_c/dx at (i/n) x: a straight path from black,
    right Riemann sum of `steps` points, region c only. `image` is (1, 1, H, W) and `classes`
    (H, W) integer ids below `count`; other ids are in no region. Several images (B, 1, H, W)
    with classes (B, H, W) share their regions, as published.
    """
    scales = torch.arange(1, steps + 1, dtype=image.dtype, device=image.device) / steps
    path = (image * scales.view(-1, 1, 1, 1, 1)).detach().requires_grad_()
    with torch.enable_grad():
        scores = segment(path.flatten(0, 1)).unflatten(0, (steps, -1))
    result = image.new_zeros(count)
    classes = classes.expand(image.shape[0], -1, -1)
    present = [int(c) for c in classes.unique() if c < count]
    for position, c in enumerate(present):
        region = classes == c
        size = region.sum()
        with torch.enable_grad():
            target = scores[:, :, c][:, region].sum() / size
        slope, = torch.autograd.grad(target, path, retain_graph=position + 1 < len(present))
        result[c] = (image[:, 0] * slope[:, :, 0].mean(0))[region].sum() / size
    return result


def place_attributions(look: Segment, image: Tensor, places: Sequence[tuple[int, int]],
                       steps: int = 100) -> Tensor:
    """
    Return the integrated gradients of T at each place, summed over the whole image, (P,), in nats.

    T = sum_c q_c log p_c at a place (row, column) of what `look` returns, logits (N, C, h, w);
    p are its probabilities and q those of the image itself, held fixed. image: (1, K, H, W), of
    any channels; the path is straight from zero, sampled at the middles of `steps` pieces that
    shrink towards zero, where scores change fastest. By completeness the sums tend to
    KL(q || p(zero)), which guidance.information has in closed form.
    """
    edges = torch.linspace(0, 1, steps + 1, dtype=image.dtype, device=image.device) ** 3
    middles, lengths = (edges[1:] + edges[:-1]) / 2, edges.diff()
    path = (image * middles.view(-1, 1, 1, 1)).detach().requires_grad_()
    with torch.no_grad():
        found = look(image).softmax(1)
    with torch.enable_grad():
        scores = (found * look(path).log_softmax(1)).sum(1)
    sums = []
    for position, (row, column) in enumerate(places):
        slope, = torch.autograd.grad(
            scores[:, row, column].sum(), path, retain_graph=position + 1 < len(places))
        sums.append((lengths * (image * slope).sum(dim=(1, 2, 3))).sum())
    return torch.stack(sums)


def weight_map(share: Tensor, classes: Tensor) -> Tensor:
    """Spread w1 per class (C,) over the class of each pixel (H, W); 0.5 where none."""
    padded = torch.cat((share, share.new_full((1,), 0.5)))
    return padded[classes.long().clamp_max(share.numel())]


def score_gradient(segment: Segment, image: Tensor, reference: Tensor) -> Tensor:
    """Return g = dT/dx (B, 1, H, W), T the per-image sum of reference * segment(image)."""
    image = image.detach().requires_grad_()
    with torch.enable_grad():
        total = (reference * segment(image)).sum()
    return torch.autograd.grad(total, image)[0]


class PathAttention:
    """
    Gives the attention A of one stage after the other: what the changes so far did to the scores.

    A^(1) = 0 and A^(k) is the mean over j < k of g_j * (I^(j) - I^(j-1)), the path integral
    along the unfolding iterates [I^(0), I^(1), ...]. `reference` holds class scores
    (B, C, H, W). Call it once per stage, in order.
    """

    def __init__(self, segment: Segment, reference: Tensor) -> None:
        self._segment, self._reference = segment, reference
        self._total: Tensor | None = None

    def __call__(self, stage: int, iterates: list[Tensor]) -> Tensor:
        """Return A (B, 1, H, W), detached, of `stage` (from 0), given its `stage` + 1 iterates."""
        if stage == 0:
            self._total = torch.zeros_like(iterates[0])
            return self._total
        slope = score_gradient(self._segment, iterates[stage], self._reference)
        change = (iterates[stage] - iterates[stage - 1]).detach()
        self._total = self._total + slope * change
        return self._total / stage


def path_attention(segment: Segment, iterates: list[Tensor], reference: Tensor) -> list[Tensor]:
    """Return A (B, 1, H, W) of every stage for iterates known beforehand, one more than stages."""
    attend = PathAttention(segment, reference)
    return [attend(stage, iterates) for stage in range(len(iterates) - 1)]


def normalised(attention: Tensor, limit: float = 3.0) -> Tensor:
    """
    Divide each map (B, 1, H, W) by its own standard deviation and clip to +-limit.

    As published the maps are about 1e-6, and the sigmoid behind them stays at one half.
    """
    spread = attention.std(dim=(1, 2, 3), keepdim=True)
    return (attention / (spread + 1e-12)).clamp(-limit, limit)
