from __future__ import annotations

import math

import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import scores


def test_scores_by_hand():
    label = np.array([[0, 0, 1], [1, 3, 255]], np.uint8)
    mask = np.array([[0, 1, 1], [2, 3, 0]], np.uint8)
    result = scores(confusion(mask, label, 4))
    assert result.iou[:2] == (1 / 2, 1 / 3) and result.iou[3] == 1.0
    assert result.accuracy[:2] == (1 / 2, 1 / 2) and result.accuracy[3] == 1.0
    assert result.absent == (2,)
    assert math.isnan(result.iou[2]) and math.isnan(result.accuracy[2])
    assert result.miou == pytest.approx((1 / 2 + 1 / 3 + 1) / 3)
    assert result.macc == pytest.approx(2 / 3)


def test_against_scikit_learn():
    metrics = pytest.importorskip('sklearn.metrics')
    rng = np.random.default_rng(1)
    label = rng.integers(0, 6, (50, 60))
    mask = np.where(rng.random(label.shape) < 0.6, label, rng.integers(0, 6, label.shape))
    label[rng.random(label.shape) < 0.1] = 255
    known = label != 255
    counts = confusion(mask, label, 6)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(label[known], mask[known]))
    result = scores(counts)
    np.testing.assert_allclose(
        result.iou, metrics.jaccard_score(label[known], mask[known], average=None))
    assert result.macc == pytest.approx(
        metrics.balanced_accuracy_score(label[known], mask[known]))


def test_a_data_set_is_scored_as_one_image_and_not_as_a_mean_of_images():
    label = np.zeros((2, 4, 10), np.uint8)
    mask = label.copy()
    label[0, 0, 0] = label[1, :, :5] = 1
    mask[1, :, :5] = 1
    counts = sum(confusion(m, t, 2) for m, t in zip(mask, label))
    assert scores(counts) == scores(confusion(mask, label, 2))
    assert scores(counts).iou[1] == 20 / 21


def test_nothing_labelled_is_no_score():
    result = scores(confusion(np.zeros((3, 3), np.uint8), np.full((3, 3), 255, np.uint8), 2))
    assert math.isnan(result.miou) and math.isnan(result.macc)
    assert result.absent == (0, 1)


@pytest.mark.parametrize(('mask', 'label', 'error', 'text'), [
    (np.zeros((2, 2), int), np.zeros((2, 3), int), RegistrationError, r'\(2, 3\)'),
    (np.zeros((2, 2)), np.zeros((2, 2), int), EncodingError, 'mask is float64'),
    (np.full((2, 2), 3), np.zeros((2, 2), int), EncodingError, 'mask holds class ids 3 to 3'),
    (np.zeros((2, 2), int), np.full((2, 2), -1), EncodingError, 'label holds class ids -1'),
])
def test_bad_input_is_named(mask, label, error, text):
    with pytest.raises(error, match=text):
        confusion(mask, label, 3)
