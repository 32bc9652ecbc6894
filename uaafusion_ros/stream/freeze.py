"""
Tell a camera that repeats one image from one that sees.

A thermal camera's shutter closes for 0.3 to 1.2 s now and then (flat-field correction), and many
drivers go on publishing the last image with new stamps. Sensor noise never repeats bit for bit.
"""

from __future__ import annotations

import numpy as np

_SAMPLES = 4096
_SAMPLED_ROWS = 2  # whole rows: a grid of single pixels would fetch a line of memory for each
_MARGIN = 4      # rows at top and bottom where cameras put telemetry, a frame counter among it
_LEAST_ROWS = 32


class FreezeDetector:
    """
    Know repeats of the same image in one camera's stream, by its raw values.

    repeats: so many repeats in a row are a freeze, 0 to 1000; 0 switches the detector off.
    max_age_ns: a repeat of content that first came longer ago than this, by stamps, is a freeze
        whatever its count, so that slow cameras need not repeat themselves `repeats` times.

    Some drivers send each image two or three times (Lepton: 27 Hz, 9 of them new); three repeats
    let them pass. Limits: images behind lossy compression, 8-bit images of a quiet scene and
    simulations without noise can repeat without any fault; there, raise both settings or switch
    the detector off. A clock that the camera draws into the image hides a freeze.
    """

    def __init__(self, *, repeats: int = 3, max_age_ns: int = 100_000_000) -> None:
        self._needed = repeats
        self._max_age_ns = max_age_ns
        self._image: np.ndarray | None = None
        self._sample = b''
        self._first_ns = self._last_ns = 0
        self._repeats = 0

    def update(self, image: np.ndarray, stamp_ns: int) -> bool:
        """
        Take the next image (HxW or HxWxC, any dtype, raw values); return whether it is frozen.

        The bytes of a compressed image (one dimension) do as well. The image is kept until the
        next one and must not be altered. A few rows are compared first, the whole image (but
        for four rows at top and bottom, where telemetry counts frames) only where that is the
        same. The same stamp twice is no repeat; a stamp that falls back starts anew.
        """
        if not self._needed:
            return False
        rows = image
        if image.ndim == 1:
            sample = image[::image.size // _SAMPLES | 1].tobytes()
        else:
            if len(image) >= _LEAST_ROWS:
                rows = image[_MARGIN:-_MARGIN]
            sample = rows[len(rows) // 4::len(rows) // _SAMPLED_ROWS | 1].tobytes()
        if stamp_ns < self._last_ns or sample != self._sample or not _same(rows, self._image):
            self._first_ns, self._repeats = stamp_ns, 0
        elif stamp_ns != self._last_ns:
            self._repeats += 1
        self._image, self._sample, self._last_ns = rows, sample, stamp_ns
        return self.frozen

    @property
    def frozen(self) -> bool:
        """Whether the last image was a frozen one."""
        return self._repeats > 0 and (
            self._repeats >= self._needed or self._last_ns - self._first_ns > self._max_age_ns)


def _same(image: np.ndarray, before: np.ndarray | None) -> bool:
    return (before is not None and image.shape == before.shape and image.dtype == before.dtype
            and np.array_equal(image, before, equal_nan=image.dtype.kind == 'f'))
