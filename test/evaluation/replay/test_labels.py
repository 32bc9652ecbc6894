"""Labels meet the masks of their stamp, whichever comes first."""

from __future__ import annotations

import numpy as np
import pytest

from uaafusion_ros.evaluation.replay.labels import LabelBook
from uaafusion_ros.frames import Frame

CLASSES = ('none', 'car', 'person')
LABEL = np.array([[0, 1], [2, 255]], np.uint8)
MASK = np.array([[0, 1], [1, 1]], np.uint8)


def label(stamp_ns, array=LABEL, encoding='mono8'):
    return Frame(array, stamp_ns, 'rgb', encoding)


@pytest.mark.parametrize('label_first', [True, False])
def test_a_label_meets_the_mask_of_its_stamp(label_first):
    book = LabelBook(CLASSES)
    assert book.result() is None
    if label_first:
        book.add_label(label(7))
    book.add_mask(7, MASK)
    if not label_first:
        book.add_label(label(7))
    book.add_mask(8, MASK)
    book.add_label(label(9))
    found = book.result()
    assert book.counts == {'received': 2, 'compared': 1, 'refused': 0}
    assert found['miou'] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found['classes'] == [
        {'name': 'none', 'iou': 1.0, 'pixels': 1}, {'name': 'car', 'iou': 0.5, 'pixels': 1},
        {'name': 'person', 'iou': 0.0, 'pixels': 1}]


@pytest.mark.parametrize('array, encoding, said', [
    (np.full((2, 2), 3, np.uint8), 'mono8', 'class ids'),
    (np.zeros((3, 2), np.uint8), 'mono8', 'one shape'),
    (np.zeros((2, 2, 3), np.uint8), 'rgb8', 'accepted are class ids'),
])
def test_what_cannot_be_compared_is_refused_and_told(array, encoding, said):
    book = LabelBook(CLASSES)
    book.add_mask(1, MASK)
    book.add_label(label(1, array, encoding))
    assert book.counts['refused'] == 1 and said in book.problem
    assert book.result() is None


def test_what_waits_is_bounded():
    book = LabelBook(CLASSES)
    for stamp in range(200):
        book.add_label(label(stamp))
    book.add_mask(0, MASK)
    assert book.counts['compared'] == 0
    book.add_mask(199, MASK)
    assert book.counts['compared'] == 1
