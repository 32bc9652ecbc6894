"""Contrast that labelled objects keep, by hand-made images."""

import numpy as np
import pytest

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.evaluation.target_contrast import Instance
from uaafusion_ros.evaluation.target_contrast import instances
from uaafusion_ros.evaluation.target_contrast import summary

SIZE = (60, 80)


def scene(side=10):
    """A square of class 2 that thermal shows by 90 gray levels, RGB by -30, the fusion by 60."""
    label = np.zeros(SIZE, np.uint8)
    label[20:20 + side, 30:30 + side] = 2
    inside = label == 2
    thermal, luma, fused = (np.where(inside, a, b).astype(np.uint8)
                            for a, b in ((110, 20), (150, 180), (160, 100)))
    return thermal, luma, fused, label


def test_the_contrast_is_that_of_the_better_source():
    found, = instances(*scene(), [1, 2])
    assert found == Instance(2, 100, 60, 90)
    assert found.kept == pytest.approx(60 / 90)


def test_labelled_pixels_and_those_next_to_the_object_are_no_background():
    thermal, luma, fused, label = scene()
    found = instances(thermal, luma, fused, label, [2])
    # Another object, right beside it, and the object's own halo of two pixels.
    label[10:35, 45:60] = 1
    fused[10:35, 45:60] = 255
    halo = np.zeros(SIZE, bool)
    halo[18:32, 28:42] = True
    fused[halo & (label == 0)] = 255
    # Farther than the ring nothing counts.
    fused[:4] = fused[50:] = 255
    assert instances(thermal, luma, fused, label, [2]) == found
    fused[17, 30:40] = 255
    assert instances(thermal, luma, fused, label, [2]) != found


def test_small_objects_and_those_without_background_are_left_out():
    thermal, luma, fused, label = scene(9)
    assert len(instances(thermal, luma, fused, label, [2])) == 1
    label[20, 30:32] = 0  # 79 pixels are left
    assert instances(thermal, luma, fused, label, [2]) == []
    thermal, luma, fused, label = scene()
    label[label == 0] = 1
    assert instances(thermal, luma, fused, label, [2]) == []


def test_each_object_of_a_class_counts():
    thermal, luma, fused, label = scene()
    for image in (thermal, luma, fused, label):
        image[40:50, 5:15] = image[20:30, 30:40]
    fused[40:50, 5:15] = 190
    first, second = instances(thermal, luma, fused, label, [2])
    assert {first.fused, second.fused} == {60, 90}
    found = summary([first, second])
    assert (found.count, found.fused, found.best) == (2, 75, 90)
    assert found.shares == (0.5, 0.5)


def test_nothing_is_not_a_number():
    found = summary([])
    assert found.count == 0 and np.isnan([found.fused, found.best, *found.shares]).all()


def test_images_of_other_sizes_are_refused():
    thermal, luma, fused, label = scene()
    with pytest.raises(RegistrationError, match='all must have one shape'):
        instances(thermal, luma, fused[:-1], label, [2])
