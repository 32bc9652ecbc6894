"""Losses of both phases, as pure functions of tensors (images (B, 1, H, W) in [0, 1])."""

from __future__ import annotations

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
        return F.cross_entropy(logits, label.long(), weights, ignore_index=IGNORE)
    return logits.sum() * 0


def sobel(image: Tensor) -> Tensor:
    """Return |Sobel_x| + |Sobel_y|, zero padded (method: gradient loss of the paper's release)."""
    kernel = image.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).view(1, 1, 3, 3)
    both = torch.cat((kernel, kernel.transpose(2, 3)))
    return F.conv2d(image, both, padding=1).abs().sum(1, keepdim=True)


def intensity(fused: Tensor, thermal: Tensor, luma: Tensor, w_thermal: Tensor) -> Tensor:
    """Attribution-weighted squared error L_int of the paper (weights squared, as released)."""
    first = (w_thermal * (thermal - fused)).square().mean()
    return first + ((1 - w_thermal) * (luma - fused)).square().mean()


def salient(fused: Tensor, thermal: Tensor, luma: Tensor) -> Tensor:
    """
    Mean absolute error against the brighter source.

    Not in the paper. Attribution is decided per class region, so a hot object that no class
    names would follow its background; this term keeps it (Tang et al., SeAFusion, 2022).
    """
    return (fused - torch.maximum(thermal, luma)).abs().mean()


def gradient(fused: Tensor, thermal: Tensor, luma: Tensor) -> Tensor:
    """Mean absolute error of the Sobel magnitude against the stronger of both sources."""
    return (sobel(fused) - torch.maximum(sobel(thermal), sobel(luma))).abs().mean()


def structure(fused: Tensor, thermal: Tensor, luma: Tensor) -> Tensor:
    """One minus the mean SSIM of the fused image with both sources (7x7 windows, range 1)."""
    return 1 - 0.5 * (ssim(fused, thermal) + ssim(fused, luma))


def ssim(a: Tensor, b: Tensor, window: int = 7) -> Tensor:
    """Mean structural similarity with a uniform window (Wang et al., 2004), range [-1, 1]."""
    c1, c2 = 0.01 ** 2, 0.03 ** 2
    mean_a, mean_b = (F.avg_pool2d(x, window, 1) for x in (a, b))
    var_a = F.avg_pool2d(a * a, window, 1) - mean_a ** 2
    var_b = F.avg_pool2d(b * b, window, 1) - mean_b ** 2
    cov = F.avg_pool2d(a * b, window, 1) - mean_a * mean_b
    value = ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / (
        (mean_a ** 2 + mean_b ** 2 + c1) * (var_a + var_b + c2))
    return value.mean()
