"""Counts over blocks: the figures, and the interval that blocks alone decide."""

import numpy as np
import pytest

from benchmarks.results.statistics import difference
from benchmarks.results.statistics import miou
from benchmarks.results.statistics import share
from uaafusion_ros.evaluation.segmentation_metrics import scores


def test_the_mean_iou_is_that_of_the_metrics_for_any_stack():
    counts = np.random.default_rng(0).integers(0, 50, (4, 3, 3))
    counts[1, 2] = 0  # a class without a label pixel
    np.testing.assert_allclose(miou(counts), [scores(each).miou for each in counts])


def test_blocks_that_all_agree_leave_no_doubt():
    first, second = np.tile([8, 10], (6, 1)), np.tile([5, 10], (6, 1))
    assert difference(first, second, share) == pytest.approx((0.3, 0.3, 0.3))


def test_the_interval_is_that_of_a_mean_of_known_spread():
    """Of 100 blocks, half gain 0.2 and half nothing: 0.1 with a standard error of 0.01."""
    second = np.tile([50, 100], (100, 1))
    first = second + np.array([[20, 0], [0, 0]] * 50)
    point, low, high = difference(first, second, share)
    assert point == pytest.approx(0.1)
    assert (low, high) == pytest.approx((0.1 - 0.0196, 0.1 + 0.0196), abs=0.002)
    assert difference(first, second, share) == (point, low, high)


def test_the_same_blocks_are_drawn_of_both():
    """What blocks have in common does not widen the interval of a difference."""
    hard = np.random.default_rng(1).integers(0, 80, 50)
    second = np.stack([hard, np.full(50, 100)], axis=1)
    _, low, high = difference(second + [10, 0], second, share)
    assert (low, high) == pytest.approx((0.1, 0.1))


def test_nothing_gives_no_number():
    empty = np.zeros((0, 2))
    assert np.isnan(difference(empty, empty, share)).all()
    assert np.isnan(share(np.array([0, 0])))
