"""
Quality of a segmentation from one confusion matrix over a whole data set.

Counts are added up over all images before anything is divided, as papers do; a mean of scores
per image is another number. Matrices add: `counts += confusion(mask, label, classes)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import RegistrationError

IGNORE = 255


@dataclass(frozen=True)
class SegmentationScores:
    """
    Scores 0 to 1, higher is better.

    `iou` and `accuracy` are per class id, NaN for the ids in `absent`, which no label pixel has.
    `miou` and `macc` are means over the other classes, background included; NaN without labels.
    """

    miou: float
    macc: float
    iou: tuple[float, ...]
    accuracy: tuple[float, ...]
    absent: tuple[int, ...]


def confusion(
    mask: np.ndarray, label: np.ndarray, classes: int, ignore: int = IGNORE,
) -> np.ndarray:
    """
    Count the pixels of one image by true class (row) and predicted class (column).

    mask, label: integer class ids of equal shape; pixels labelled `ignore` are left out. Returns
    int64 classes x classes. Raises RegistrationError where shapes differ, EncodingError for
    other types and for ids outside 0 to classes - 1.
    """
    if mask.shape != label.shape:
        raise RegistrationError(
            f'the mask is {mask.shape}, the label {label.shape}; both must have one shape')
    counted = label != ignore
    ids = []
    for name, image in (('mask', mask), ('label', label)):
        if not np.issubdtype(image.dtype, np.integer):
            raise EncodingError(f'the {name} is {image.dtype}, accepted are integer class ids')
        values = image[counted].astype(np.int64)
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise EncodingError(
                f'the {name} holds class ids {values.min()} to {values.max()}, accepted are 0 to '
                f'{classes - 1} (and {ignore} in a label for pixels to leave out): check that '
                'mask and label have the same class list')
        ids.append(values)
    predicted, true = ids
    counts = np.bincount(true * classes + predicted, minlength=classes ** 2)
    return counts.reshape(classes, classes)


def scores(counts: np.ndarray) -> SegmentationScores:
    """
    Compute IoU = TP / (TP + FP + FN) and accuracy = TP / (TP + FN) from added up counts.

    counts: classes x classes as `confusion` returns it. A class without label pixels is left out
    of the means even where it was predicted; such pixels still count as missed by their own class.
    """
    hits, labelled, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    present = labelled > 0
    iou = np.full(len(counts), np.nan)
    accuracy = iou.copy()
    iou[present] = (hits / np.maximum(labelled + predicted - hits, 1))[present]
    accuracy[present] = (hits / np.maximum(labelled, 1))[present]
    return SegmentationScores(
        miou=float(iou[present].mean()) if present.any() else float('nan'),
        macc=float(accuracy[present].mean()) if present.any() else float('nan'),
        iou=tuple(iou.tolist()),
        accuracy=tuple(accuracy.tolist()),
        absent=tuple(np.flatnonzero(~present).tolist()),
    )
