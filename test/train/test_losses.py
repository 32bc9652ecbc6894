"""Losses against what they say they are."""

import numpy as np
import pytest

torch = pytest.importorskip('torch')
cv2 = pytest.importorskip('cv2')

from train import losses  # noqa: E402


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.random((1, 1, 24, 32), np.float32)) for _ in range(3)]


def test_sobel_is_opencvs(images):
    image = images[0][0, 0].numpy()
    dx, dy = (cv2.Sobel(image, cv2.CV_32F, *d, borderType=cv2.BORDER_CONSTANT)
              for d in ((1, 0), (0, 1)))
    np.testing.assert_allclose(
        losses.sobel(images[0])[0, 0].numpy(), np.abs(dx) + np.abs(dy), atol=1e-5)


def test_intensity_is_least_at_the_weighted_mean(images):
    """With weights squared the minimum lies at (w1^2 a + w2^2 b) / (w1^2 + w2^2)."""
    thermal, luma, w = images
    best = (w ** 2 * thermal + (1 - w) ** 2 * luma) / (w ** 2 + (1 - w) ** 2)
    least = losses.intensity(best, thermal, luma, w)
    for shift in (-0.05, 0.05):
        assert losses.intensity(best + shift, thermal, luma, w) > least


def test_the_brighter_source_and_the_stronger_edge_cost_nothing(images):
    thermal, luma, _ = images
    assert losses.salient(torch.maximum(thermal, luma), thermal, luma) == 0
    assert losses.gradient(thermal, thermal, torch.zeros_like(thermal)) == 0
    assert losses.gradient(torch.zeros_like(thermal), thermal, luma) > 0


def test_ssim_is_scikit_images(images):
    metrics = pytest.importorskip('skimage.metrics')
    a, b = images[0], images[0] * 0.7 + 0.3 * images[1]
    reference = metrics.structural_similarity(
        a[0, 0].numpy(), b[0, 0].numpy(), data_range=1.0, use_sample_covariance=False)
    assert losses.ssim(a, b).item() == pytest.approx(reference, abs=1e-4)
    assert losses.structure(a, a, a).item() == pytest.approx(0, abs=1e-5)


def test_unknown_labels_and_only_those_are_ignored():
    logits = torch.randn(1, 3, 4, 4, generator=torch.manual_seed(0))
    label = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    weights = losses.class_weights(torch.tensor([0.9, 0.09, 0.01]))
    assert losses.cross_entropy(logits, label, weights) == 0
    label[0, 0, 0] = 2
    expected = -logits[0, :, 0, 0].log_softmax(0)[2]
    assert torch.allclose(losses.cross_entropy(logits, label, weights), expected)
    assert weights[2] > weights[1] > weights[0] >= 1
