"""
Quality of a fused image against the thermal and the RGB luma it was made from.

The definitions are those of the evaluator published with CDDFuse (Zhao et al., CVPR 2023, file
utils/Evaluator.py), which most papers of the field report, oddities included; computed in
float64. Functions take float64 HxW arrays of gray values 0 to 255; A is thermal, B luma, F fused.
A value is NaN where its definition divides zero by zero, for instance a correlation with a
uniform image.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import RegistrationError

# Below this the windows of the coarsest scale of VIF do not fit into the image.
SMALLEST = 41


def entropy(fused: np.ndarray) -> float:
    """Shannon entropy of the histogram of F in bits: -sum p log2 p, 256 bins."""
    return _entropy(np.bincount(_levels(fused))) / float(np.log(2))


def standard_deviation(fused: np.ndarray) -> float:
    """Return the population standard deviation of F."""
    return float(fused.std())


def spatial_frequency(fused: np.ndarray) -> float:
    """Root of the mean squared horizontal plus the mean squared vertical difference of F."""
    horizontal, vertical = np.diff(fused, axis=1), np.diff(fused, axis=0)
    return float(np.sqrt(np.mean(horizontal ** 2) + np.mean(vertical ** 2)))


def average_gradient(fused: np.ndarray) -> float:
    """Mean of sqrt((gx^2 + gy^2) / 2), central differences, one-sided at the border."""
    gy, gx = np.gradient(fused)
    return float(np.mean(np.sqrt((gx ** 2 + gy ** 2) / 2)))


def mutual_information(
    thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray, base: float = np.e,
) -> float:
    """MI(A, F) + MI(B, F) of the gray level histograms; base e gives nats, 2 gives bits."""
    both = _mutual_information(thermal, fused) + _mutual_information(luma, fused)
    return both / float(np.log(base))


def mean_squared_error(thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray) -> float:
    """Mean of MSE(A, F) and MSE(B, F)."""
    return float(np.mean((thermal - fused) ** 2) + np.mean((luma - fused) ** 2)) / 2


def peak_signal_to_noise(thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray) -> float:
    """10 log10(max(F)^2 / MSE) in dB: the peak is that of the image, not 255."""
    with np.errstate(divide='ignore', invalid='ignore'):
        return float(10 * np.log10(fused.max() ** 2 / mean_squared_error(thermal, luma, fused)))


def correlation(thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray) -> float:
    """Mean of the Pearson correlations of A and F, B and F."""
    return (_pearson(thermal, fused) + _pearson(luma, fused)) / 2


def correlation_of_differences(
    thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray,
) -> float:
    """SCD: Pearson correlation of A with F - B plus that of B with F - A (Aslantas 2015)."""
    return _pearson(thermal, fused - luma) + _pearson(luma, fused - thermal)


def visual_information_fidelity(
    thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray,
    reduce: Callable[[Sequence[float]], float] = sum,
) -> float:
    """Pixel-domain VIF (Sheikh and Bovik 2006) of F against A and B; `reduce` is sum or a mean."""
    return float(reduce((_vifp(thermal, fused), _vifp(luma, fused))))


def edge_preservation(thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray) -> float:
    """
    Qabf: how much of the sources' gradients is kept (Xydeas and Petrovic 2000), exponent L = 1.

    As in the published evaluator, the strength ratio of equal gradients is the gradient itself
    and not 1, and angles are compared as values of -pi/2 to pi/2 that do not wrap around.
    """
    edges_f = _edges(fused)
    kept = weight = 0.0
    for source in (thermal, luma):
        edges = _edges(source)
        kept += np.sum(_kept(edges, edges_f) * edges[0])
        weight += np.sum(edges[0])
    return _ratio(kept, weight)


def structural_similarity(
    thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray, data_range: float = 2.0,
    reduce: Callable[[Sequence[float]], float] = sum,
) -> float:
    """
    SSIM (Wang 2004) of F against A and B: uniform 7x7 windows, unbiased variances, no padding.

    data_range 2 with a sum is what scikit-image up to 0.19 made of float images of 0 to 255, and
    so what papers print; data_range 255 with a mean is the meaningful one.
    """
    return float(reduce(
        (_ssim(thermal, fused, data_range), _ssim(luma, fused, data_range))))


@dataclass(frozen=True)
class Metric:
    """
    A row of the table: what a value is called, how it is computed and how to read it.

    `compute` takes (thermal, luma, fused); `low` and `high` bound the values, inclusive.
    """

    name: str
    compute: Callable[[np.ndarray, np.ndarray, np.ndarray], float]
    higher_is_better: bool
    low: float
    high: float


def _of_fused(function: Callable[[np.ndarray], float]) -> Callable[..., float]:
    return lambda thermal, luma, fused: function(fused)


_INF = float('inf')

METRICS = (
    Metric('EN', _of_fused(entropy), True, 0, 8),
    Metric('SD', _of_fused(standard_deviation), True, 0, 127.5),
    Metric('SF', _of_fused(spatial_frequency), True, 0, 255 * 2 ** 0.5),
    Metric('AG', _of_fused(average_gradient), True, 0, 255),
    Metric('MI', mutual_information, True, 0, 2 * 8 * float(np.log(2))),
    Metric('SCD', correlation_of_differences, True, -2, 2),
    Metric('VIF', visual_information_fidelity, True, 0, _INF),
    Metric('Qabf', edge_preservation, True, 0, 1),
    Metric('SSIM', structural_similarity, True, -2, 2),
    Metric('CC', correlation, True, -1, 1),
    Metric('PSNR', peak_signal_to_noise, True, -_INF, _INF),
    Metric('MSE', mean_squared_error, False, 0, 255 ** 2),
)
# The same quantities as other evaluators report them.
VARIANTS = (
    Metric('MI_log2', partial(mutual_information, base=2), True, 0, 16),
    Metric('VIF_mean', partial(visual_information_fidelity, reduce=np.mean), True, 0, _INF),
    Metric('SSIM_uint8_mean', partial(structural_similarity, data_range=255.0, reduce=np.mean),
           True, -1, 1),
)


def evaluate(
    thermal: np.ndarray, luma: np.ndarray, fused: np.ndarray,
    metrics: Sequence[Metric] = METRICS,
) -> dict[str, float]:
    """
    Compute the metrics of one fused image, by name.

    thermal, luma, fused: uint8 HxW gray images of one size, 41 x 41 or more. Raises
    EncodingError for another dtype, shape or size, RegistrationError where sizes differ.
    """
    images = {'thermal': thermal, 'luma': luma, 'fused': fused}
    for name, image in images.items():
        if image.dtype != np.uint8 or image.ndim != 2 or min(image.shape) < SMALLEST:
            raise EncodingError(
                f'{name} is {image.dtype} {image.shape}, accepted is a gray image, uint8 (H, W), '
                f'of {SMALLEST} x {SMALLEST} pixels or more: convert it first')
    if len({image.shape for image in images.values()}) > 1:
        sizes = ', '.join(f'{name} {image.shape}' for name, image in images.items())
        raise RegistrationError(f'sizes differ: {sizes}; bring all to one size first')
    arrays = [image.astype(np.float64) for image in images.values()]
    return {metric.name: metric.compute(*arrays) for metric in metrics}


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float('nan')


def _levels(image: np.ndarray) -> np.ndarray:
    return np.round(image).astype(np.intp).ravel()


def _entropy(counts: np.ndarray) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-np.sum(p * np.log(p)))


def _mutual_information(source: np.ndarray, fused: np.ndarray) -> float:
    joint = np.bincount(_levels(source) * 256 + _levels(fused), minlength=65536).reshape(256, 256)
    return max(0.0, _entropy(joint.sum(0)) + _entropy(joint.sum(1)) - _entropy(joint))


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return _ratio(np.sum(a * b), np.sqrt(np.sum(a * a) * np.sum(b * b)))


def _vifp(source: np.ndarray, fused: np.ndarray) -> float:
    """Information kept over information there, four scales; noise variance 2, 1 for 0/0."""
    noise, eps = 2.0, 1e-10
    kept = there = 0.0
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        window = cv2.getGaussianKernel(size, size / 5, cv2.CV_64F)
        if scale:
            source, fused = (_valid(image, window)[::2, ::2] for image in (source, fused))
        mean_s, mean_f = _valid(source, window), _valid(fused, window)
        var_s = np.maximum(_valid(source * source, window) - mean_s ** 2, 0)
        var_f = np.maximum(_valid(fused * fused, window) - mean_f ** 2, 0)
        cov = _valid(source * fused, window) - mean_s * mean_f
        flat_s, flat_f = var_s < eps, var_f < eps
        gain = np.where(flat_s | flat_f, 0, np.maximum(cov / (var_s + eps), 0))
        # Where the gain is 0 nothing is kept, whatever the rest: no case of its own is needed.
        rest = np.maximum(var_f - gain * cov, eps)
        var_s = np.where(flat_s, 0, var_s)
        kept += np.sum(np.log10(1 + gain ** 2 * var_s / (rest + noise)))
        there += np.sum(np.log10(1 + var_s / noise))
    return float(kept / there) if there else 1.0


def _ssim(source: np.ndarray, fused: np.ndarray, data_range: float) -> float:
    window = np.full(7, 1 / 7)
    unbiased = 49 / 48
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_s, mean_f = _valid(source, window), _valid(fused, window)
    var_s = unbiased * (_valid(source * source, window) - mean_s ** 2)
    var_f = unbiased * (_valid(fused * fused, window) - mean_f ** 2)
    cov = unbiased * (_valid(source * fused, window) - mean_s * mean_f)
    luminance = (2 * mean_s * mean_f + c1) / (mean_s ** 2 + mean_f ** 2 + c1)
    return float(np.mean(luminance * (2 * cov + c2) / (var_s + var_f + c2)))


def _valid(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Filter with an odd symmetric window in both directions, only where it fits."""
    edge = len(window) // 2
    return cv2.sepFilter2D(image, cv2.CV_64F, window, window)[edge:-edge, edge:-edge]


def _edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sobel strength and angle, zeros around the image; the angle is pi/2 where gx is 0."""
    gx = -cv2.Sobel(image, cv2.CV_64F, 1, 0, borderType=cv2.BORDER_CONSTANT)
    gy = cv2.Sobel(image, cv2.CV_64F, 0, 1, borderType=cv2.BORDER_CONSTANT)
    upright = gx == 0
    angle = np.where(upright, np.pi / 2, np.arctan(gy / np.where(upright, 1, gx)))
    return np.sqrt(gx * gx + gy * gy), angle


def _kept(edges: tuple[np.ndarray, np.ndarray], edges_f: tuple[np.ndarray, np.ndarray],
          ) -> np.ndarray:
    strength, angle = edges
    strength_f, angle_f = edges_f
    larger = np.maximum(strength, strength_f)
    ratio = np.minimum(strength, strength_f) / np.where(larger == 0, 1, larger)
    ratio = np.where(strength == strength_f, strength_f, ratio)
    alignment = 1 - np.abs(angle - angle_f) / (np.pi / 2)
    return (0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
            * 0.9879 / (1 + np.exp(-22 * (alignment - 0.8))))
