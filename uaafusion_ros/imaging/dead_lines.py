"""Find rows and columns that a sensor no longer reads out, and fill them from their neighbours."""

from __future__ import annotations

import numpy as np

_WIDEST = 2          # more lines side by side are a border or a part of the scene
_LEAST_PIXELS = 16   # shorter lines can be of one value by chance
_PROBES = 8          # pixels of each line that are looked at before all of them are
_INTERVAL_NS = 250_000_000  # between two searches in a stream: what is dead stays dead
_LEAST_STEP = 1 / 50  # of the image's span; less than that, a constant line does no harm


class DeadLines:
    """The dead lines of one camera's images; not to be shared between threads."""

    def __init__(self) -> None:
        self._lines = np.empty(0, np.intp), np.empty(0, np.intp)
        self._stamp_ns: int | None = None
        self._kind: tuple | None = None

    def of(self, image: np.ndarray, stamp_ns: int | None) -> tuple[np.ndarray, np.ndarray]:
        """
        Return the indices of dead rows and of dead columns of HxW, ascending.

        They are looked for four times a second of stamps, in other images taken from the last
        search; an image without a stamp, or of another shape or dtype, is always searched.
        """
        kind = image.dtype, image.shape
        if (stamp_ns is None or self._stamp_ns is None or kind != self._kind
                or not 0 <= stamp_ns - self._stamp_ns < _INTERVAL_NS):
            self._lines = find_all(image)
            self._stamp_ns, self._kind = stamp_ns, kind
        return self._lines


def find(image: np.ndarray, axis: int) -> np.ndarray:
    """
    Return the indices of dead rows (axis 0) or columns (axis 1) of HxW, ascending.

    A dead line has one value from end to end, as noise leaves no live one; neither of the lines
    beside it has, and it differs from both. One or two may lie side by side.
    """
    along = 1 - axis
    if image.shape[along] < _LEAST_PIXELS or image.shape[axis] < 2 * _WIDEST:
        return np.empty(0, np.intp)
    lines = image if axis == 0 else image.T
    constant = _constant(lines)
    if not len(constant):
        return constant
    least = _LEAST_STEP * (float(image.max()) - float(image.min()))
    dead = [run for run in _runs(constant)
            if len(run) <= _WIDEST and _stands_out(lines, run, least)]
    return np.concatenate(dead) if dead else np.empty(0, np.intp)


def find_all(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of dead rows and of dead columns of HxW, also where they cross."""
    rows = find(image, 0)
    columns = find(np.delete(image, rows, 0) if len(rows) else image, 1)
    return find(np.delete(image, columns, 1), 0) if len(columns) else rows, columns


def fill(image: np.ndarray, axis: int, dead: np.ndarray) -> None:
    """Replace lines in place by the mean of the live lines beside them (at a border, by one)."""
    lines = image if axis == 0 else image.T
    for run in _runs(dead):
        before, after = _beside(lines, run)
        lines[run[0]:run[-1] + 1] = (before.astype(np.float64) + after) / 2


def _constant(lines: np.ndarray) -> np.ndarray:
    """Return the indices of the rows of HxW that have one value from end to end, ascending."""
    maybe = np.flatnonzero(lines[:, 0] == lines[:, -1])  # few of the others pass even this
    if not len(maybe):
        return maybe
    probes = lines[:, ::lines.shape[1] // _PROBES][maybe]
    maybe = maybe[(probes[:, 1:] == probes[:, :1]).all(axis=1)]
    if not len(maybe):
        return maybe
    whole = lines[maybe]
    return maybe[whole.min(axis=1) == whole.max(axis=1)]


def _runs(indices: np.ndarray) -> list[np.ndarray]:
    return np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1) if len(indices) else []


def _beside(lines: np.ndarray, run: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    before, after = run[0] - 1, run[-1] + 1
    return (lines[before if before >= 0 else after],
            lines[after if after < len(lines) else before])


def _stands_out(lines: np.ndarray, run: np.ndarray, least: float) -> bool:
    values = lines[run, 0].astype(np.float64)
    return all(np.abs(line.astype(np.float64) - value).max() > least
               for line in _beside(lines, run) for value in values)
