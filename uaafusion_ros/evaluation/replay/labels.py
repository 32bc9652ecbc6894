"""Masks and labels of a stream, brought together by their stamps into one confusion matrix."""

from __future__ import annotations

from collections import Counter
from collections import OrderedDict

import numpy as np

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.frames import Frame

_ENCODINGS = ('mono8', '8UC1', 'mono16', '16UC1')
_WAITING = 64


class LabelBook:
    """
    Compares masks with the labels that carry the stamp of the same RGB image.

    Either may come first; the 64 newest of each wait. `counts` has how many labels were
    received, compared and refused; `problem` is what was wrong with the last one refused.
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._matrix = np.zeros((len(classes), len(classes)), np.int64)
        self._labels: OrderedDict[int, np.ndarray] = OrderedDict()
        self._masks: OrderedDict[int, np.ndarray] = OrderedDict()
        self.counts: Counter[str] = Counter(received=0, compared=0, refused=0)
        self.problem = ''

    def add_label(self, frame: Frame) -> None:
        """Take a label image: class ids, 255 for pixels to leave out."""
        self.counts['received'] += 1
        if frame.encoding not in _ENCODINGS:
            self.refuse(EncodingError(
                f'labels come as {frame.encoding}; accepted are class ids in mono8 or mono16'))
            return
        self._put(self._labels, frame.stamp_ns, frame.array)

    def add_mask(self, stamp_ns: int, mask: np.ndarray) -> None:
        """Take a mask (uint8 HxW class ids) by the stamp of its RGB image."""
        self._put(self._masks, stamp_ns, mask)

    def refuse(self, error: UaafusionError) -> None:
        """Count a label that cannot be used."""
        self.counts['refused'] += 1
        self.problem = str(error)

    def result(self) -> dict | None:
        """Return miou, macc and the classes' IoU and label pixels; None without a comparison."""
        if not self.counts['compared']:
            return None
        found = scores(self._matrix)
        pixels = self._matrix.sum(axis=1).tolist()
        return {'miou': found.miou, 'macc': found.macc, 'classes': [
            {'name': name, 'iou': iou, 'pixels': count}
            for name, iou, count in zip(self._classes, found.iou, pixels)]}

    def _put(self, waiting: OrderedDict[int, np.ndarray], stamp_ns: int,
             image: np.ndarray) -> None:
        waiting[stamp_ns] = image
        if stamp_ns in self._labels and stamp_ns in self._masks:
            label, mask = self._labels.pop(stamp_ns), self._masks.pop(stamp_ns)
            try:
                self._matrix += confusion(mask, label, len(self._classes))
                self.counts['compared'] += 1
            except UaafusionError as error:
                self.refuse(error)
        elif len(waiting) > _WAITING:
            waiting.popitem(last=False)
