"""Losses of all phases, as pure functions of tensors (images (B, 1, H, W) in [0, 1])."""

from __future__ import annotations

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


def likeness(fused: Tensor, aim: Tensor) -> Tensor:
    """Mean absolute error of the values and of the steps to the right and lower neighbours."""
    error = fused - aim
    return (error.abs().mean() + error.diff(dim=2).abs().mean() / 2
            + error.diff(dim=3).abs().mean() / 2)


def intensity(fused: Tensor, thermal: Tensor, luma: Tensor, w_thermal: Tensor) -> Tensor:
    """Attribution-weighted squared error L_int of the paper (weights squared, as released)."""
    first = (w_thermal * (thermal - fused)).square().mean()
    return first + ((1 - w_thermal) * (luma - fused)).square().mean()
