"""Losses of all phases, as pure functions of tensors (images (B, 1, H, W) in [0, 1])."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
import torch.nn.functional as F

from uaafusion_ros.evaluation.segmentation_metrics import IGNORE


def class_weights(share: Tensor, power: float = 0.4) -> Tensor:
    """
    Return cross-entropy weights (C,) from the pixel share of each class, background near 1.

    share ** -power lies between no balancing (0) and inverse frequency (1), which makes a
    network see rare classes everywhere.
    """
    return share.clamp_min(1e-4) ** -power


def cross_entropy(logits: Tensor, label: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross entropy of logits (B, C, H, W) against labels (B, H, W), 255 ignored."""
    if (label != IGNORE).any():
        return F.cross_entropy(
            logits, label.long(), weights.to(logits.device), ignore_index=IGNORE)
    return logits.sum() * 0


def partial_cross_entropy(logits: Tensor, label: Tensor, weights: Tensor,
                          hidden: Sequence[Sequence[int]],
                          counts: Tensor | None = None) -> Tensor:
    """
    Weighted cross entropy where label 0 may hide classes that a set does not annotate.

    logits (B, C, H, W); label (B, H, W), 255 ignored; hidden: per sample the ids that label 0 does
    not rule out: there the probability of all of them together with that of class 0 counts.
    counts: samples to leave out are False, (B,).
    """
    log_p = F.log_softmax(logits, dim=1)
    known = label != IGNORE
    ids = torch.where(known, label, 0).long().unsqueeze(1)
    gathered = log_p.gather(1, ids).squeeze(1)
    if any(hidden):
        loose = log_p.new_full((len(hidden), log_p.shape[1], 1, 1), float('-inf'))
        for row, ids_of_row in enumerate(hidden):
            loose[row, [0, *ids_of_row]] = 0.0
        gathered = torch.where(ids[:, 0] == 0, (log_p + loose).logsumexp(1), gathered)
    weight = weights.to(logits.device)[ids[:, 0]] * known
    if counts is not None:
        weight = weight * counts.view(-1, 1, 1)
    return -(weight * gathered).sum() / weight.sum().clamp_min(1e-6)


def lovasz_softmax(logits: Tensor, label: Tensor) -> Tensor:
    """
    Lovasz extension of 1 - IoU, the mean over the classes present (Berman et al., CVPR 2018).

    logits (B, C, H, W) and label (B, H, W), 255 ignored. 0 to 1; it counts a class of few pixels
    as much as one of many. 0 where nothing is labelled.
    """
    known = label != IGNORE
    scores = logits.softmax(dim=1).permute(0, 2, 3, 1)[known]
    label = label[known].long()
    parts = []
    for class_id in label.unique().tolist():
        truth = (label == class_id).to(scores.dtype)
        errors, order = (truth - scores[:, class_id]).abs().sort(descending=True)
        truth = truth[order]
        intersection = truth.sum() - truth.cumsum(0)
        union = truth.sum() + (1 - truth).cumsum(0)
        jaccard = 1 - intersection / union
        slope = torch.cat((jaccard[:1], jaccard[1:] - jaccard[:-1]))
        parts.append((errors * slope).sum())
    return torch.stack(parts).mean() if parts else logits.sum() * 0


def likeness(fused: Tensor, aim: Tensor) -> Tensor:
    """Mean absolute error of the values and of the steps to the right and lower neighbours."""
    error = fused - aim
    return (error.abs().mean() + error.diff(dim=2).abs().mean() / 2
            + error.diff(dim=3).abs().mean() / 2)


def intensity(fused: Tensor, thermal: Tensor, luma: Tensor, w_thermal: Tensor) -> Tensor:
    """Attribution-weighted squared error L_int of the paper (weights squared, as released)."""
    first = (w_thermal * (thermal - fused)).square().mean()
    return first + ((1 - w_thermal) * (luma - fused)).square().mean()
