"""
Attribution of every place to the cameras, in closed form.

Integrated gradients are complete: along the path from a black image to a source, the attributions
of all pixels sum to T(source) - T(black), for any score T (Sundararajan et al., ICML 2017). Take
for T the log-probabilities that the segmentation network gives at one place, weighted by what it
finds there in the source itself, q = p(source): T = sum_c q_c log p_c. Then the attribution of the
place to the source is

    sum_c p_c(source) (log p_c(source) - log p_c(black)) = KL(p(source) || p(black)),

the information that the source adds there over darkness, in nats. It needs no gradient and no
regions: it is large where a source shows a class that darkness does not suggest, and next to
nothing where the source is as dark, or as empty, as a black image.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

LEAST = 1e-6  # probability below which a class adds nothing, also in half precision
RARE = 1e-3  # probability of a target below which it does not matter what it is
CERTAIN = 1 / 3  # probability of a target from which on its contrast is kept in full


@dataclass(frozen=True)
class Guidance:
    """
    What the looks at both sources say about each place; all (B, 1, h, w) of the looks' grid.

    thermal, luma: information in nats, 0 upwards. w_thermal: w1 in (0, 1), w2 = 1 - w1.
    targets: how surely a target (car, person ...) is there, in [0, 1]; a lifted false alarm costs
    little, a lost pedestrian much, so it is 1 from a probability of CERTAIN on. bodies: the share
    of the target's probability that is a body, seen as one thing (person), in [0, 1].
    """

    thermal: Tensor
    luma: Tensor
    w_thermal: Tensor
    targets: Tensor
    bodies: Tensor


def information(logits: Tensor, log_black: Tensor) -> Tensor:
    """
    Return KL(p || black) in nats, (B, 1, h, w), of class logits (B, C, h, w).

    log_black: log-probabilities (C,) that the network gives a black image.
    """
    p = logits.softmax(dim=1)
    gain = p.clamp_min(LEAST).log() - log_black.view(1, -1, 1, 1)
    return (p * gain).sum(1, keepdim=True).clamp_min(0)


def thermal_share(thermal: Tensor, luma: Tensor, floor: float) -> Tensor:
    """
    Return w1 in (0, 1) from the attributions of both sources, which are 0 or more; w2 = 1 - w1.

    `floor` is added to both: one of the size of a weak attribution keeps w1 near one half where
    neither source says anything, instead of letting noise decide.
    """
    return (thermal + floor) / (thermal + luma + 2 * floor)


def guidance(by_thermal: Tensor, by_luma: Tensor, log_black: Tensor, target_classes: Tensor,
             body_classes: Tensor, floor: float) -> Guidance:
    """
    Attribute every place, given the class logits (B, C, h, w) of each source seen alone.

    target_classes: 1.0 for the classes whose contrast the fused image keeps, else 0.0, (C,);
    body_classes: 1.0 for those of them that are bodies.
    """
    attributed = information(by_thermal, log_black), information(by_luma, log_black)
    share = thermal_share(*attributed, floor)
    found = pooled(by_thermal, by_luma, share).softmax(dim=1)
    targets, bodies = ((found * classes.view(1, -1, 1, 1)).sum(1, keepdim=True)
                       for classes in (target_classes, body_classes))
    return Guidance(*attributed, share, (targets / CERTAIN).clamp_max(1),
                    bodies / targets.clamp_min(RARE))


def pooled(by_thermal: Tensor, by_luma: Tensor, w_thermal: Tensor) -> Tensor:
    """Return the logarithmic opinion pool w1 log p_thermal + w2 log p_luma, up to a constant."""
    # Not torch.lerp: in bfloat16 the logits have another type than the weight.
    return by_luma + w_thermal * (by_thermal - by_luma)
