"""Regions of a mask become boxes with a class, a confidence and temperatures."""

from __future__ import annotations

import numpy as np
import pytest

from uaafusion_ros.imaging.objects import class_ids
from uaafusion_ros.imaging.objects import find_objects
from uaafusion_ros.imaging.registration import Roi


@pytest.fixture
def scene():
    """Two persons (2), a car (1) that touches one of them, a fence (3), and confidence."""
    mask = np.zeros((60, 80), np.uint8)
    mask[10:30, 5:15] = mask[12:32, 60:72] = 2
    mask[30:50, 5:35] = 1
    mask[50:60] = 3
    confidence = np.full(mask.shape, 51, np.uint8)
    confidence[mask == 2] = 204
    confidence[10:20, 5:15] = 102
    return mask, confidence


def test_each_region_of_a_class_is_an_object(scene):
    found = find_objects(*scene, (1, 2))
    assert [(each.class_id, each.box) for each in found] == [
        (1, Roi(5, 30, 30, 20)), (2, Roi(5, 10, 10, 20)), (2, Roi(60, 12, 12, 20))]
    assert [each.confidence for each in found] == pytest.approx([0.2, 0.6, 0.8])
    assert {each.temperature for each in found} == {None}


def test_confidence_is_that_of_the_region_and_not_of_its_box():
    mask = np.triu(np.ones((20, 20), np.uint8))
    confidence = np.where(mask, 255, 0).astype(np.uint8)
    found, = find_objects(mask, confidence, (1,))
    assert found.confidence == 1.0 and found.box == Roi(0, 0, 20, 20)


def test_small_regions_are_left_out():
    mask = np.zeros((40, 40), np.uint8)
    mask[2:10, 2:10] = mask[20:29, 20:27] = 1  # 64 and 63 pixels
    assert [each.box.x for each in find_objects(mask, mask, (1,))] == [2]


def test_regions_that_touch_at_a_corner_are_one():
    mask = np.zeros((40, 40), np.uint8)
    mask[0:10, 0:10] = mask[10:20, 10:20] = 1
    assert len(find_objects(mask, mask, (1,))) == 1


def test_temperatures_are_of_the_region_and_of_known_pixels(scene):
    temperatures = np.full((60, 80), 20.0, np.float32)
    temperatures[10:30, 5:15] = 30.0
    temperatures[10, 5:10] = 36.0, 36.0, np.nan, np.nan, 24.0
    temperatures[12:32, 60:72] = np.nan
    one, other = find_objects(*scene, (2,), temperatures)
    assert one.temperature == pytest.approx((24.0, (195 * 30 + 2 * 36 + 24) / 198, 36.0))
    assert other.temperature is None


def test_an_empty_mask_has_none():
    nothing = np.zeros((4, 6), np.uint8)
    assert find_objects(nothing, nothing, (1, 2)) == []


def test_objects_are_told_by_the_names_of_their_classes():
    assert class_ids(('unlabelled', 'car', 'person', 'bike', 'curve', 'car_stop')) == (1, 2, 3)
    assert class_ids(('Road', 'Person', 'Truck')) == (1, 2)
