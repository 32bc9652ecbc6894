"""What goes into a calibration and what comes out of it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar('T')


@dataclass(frozen=True)
class View:
    """One pair of images taken together: `thermal` and `luma` of the RGB image, uint8 HxW."""

    name: str
    thermal: np.ndarray
    luma: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Points of one view: pixels (Nx2, x and y) in the thermal and in the RGB image."""

    name: str
    thermal: np.ndarray
    rgb: np.ndarray


@dataclass(frozen=True)
class ViewReport:
    """
    How one view fits the result.

    `error_px` is in RGB pixels (NaN where nothing was found) and `points` what it rests on.
    `left_out` says why the view was not used, and is empty if it was.
    """

    name: str
    error_px: float
    points: int
    left_out: str = ''


@dataclass(frozen=True)
class Fit:
    """
    The homography `matrix` (thermal pixels to RGB pixels) and how well it fits.

    `error_px` is the root mean square distance in RGB pixels over the `points` that were kept.
    """

    matrix: np.ndarray
    error_px: float
    points: int
    views: tuple[ViewReport, ...]


@dataclass(frozen=True)
class HeldOut:
    """
    How a homography does on views that it was not fitted to.

    `matrix` is what these views alone lead to from there, `uncertainty_px` how far any place that
    both cameras see moves by that, in RGB pixels. `scores` (one per view) say by how many
    standard deviations of the agreement at moves of a few pixels it is better where it is.
    """

    matrix: np.ndarray
    uncertainty_px: float
    scores: np.ndarray


def finish(steps: Generator[None, None, T]) -> T:
    """
    Return the result of a computation that yields every few tens of milliseconds.

    Whoever runs beside something more urgent takes the steps one by one instead.
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
