"""Whether two cameras are still registered, seen from the edges of the images that they send."""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
import numpy as np

from uaafusion_ros.imaging.registration.edges import directions

# Images are compared at about this width; offsets up to REACH pixels of it are looked for.
WIDTH = 320
REACH = 6

# Share of the area that the edges' energy must reach for an image to say anything.
_FEWEST_EDGES = 1e-3


@dataclass(frozen=True)
class Drift:
    """
    How far thermal and RGB edges are apart under the registration in use.

    `score` is 0 where they agree best as registered, and 1 (or more) where they agree no better
    than by chance there; `offset_px` is the move (x, y) in RGB pixels that would make the thermal
    image fit best, limited by REACH. Both rest on `pairs` pairs and are NaN before any pair with
    edges was seen.
    """

    score: float
    offset_px: tuple[float, float]
    pairs: int


class DriftMonitor:
    """
    Measures drift over the last pairs that it was shown; not to be shared between threads.

    A single pair says little: its scene may have few edges, or parallax. `memory` is how many
    pairs the mean runs over (it forgets exponentially).
    """

    def __init__(self, memory: int = 10) -> None:
        self._memory = memory
        self.reset()

    def reset(self) -> None:
        """Forget all pairs, as a changed registration demands."""
        self._agreement = np.zeros((2 * REACH + 1, 2 * REACH + 1))
        self._pairs = 0
        self._pitch = (1.0, 1.0)

    def update(self, thermal: np.ndarray, luma: np.ndarray,
               valid: np.ndarray | None = None) -> Drift:
        """
        Take in a pair and return the drift.

        `thermal` is uint8 HxW as registered, `luma` the RGB image's brightness (uint8 HxW),
        `valid` as in `Registered`.
        """
        surface, self._pitch = agreement(thermal, luma, valid)
        if surface is not None:
            self._pairs += 1
            share = 1 / min(self._pairs, self._memory)
            self._agreement += share * (surface - self._agreement)
        return self._drift()

    def _drift(self) -> Drift:
        surface = self._agreement
        top = surface.max()
        if not self._pairs or top <= 0:
            return Drift(math.nan, (math.nan, math.nan), self._pairs)
        row, column = np.unravel_index(surface.argmax(), surface.shape)
        offset = (
            column - REACH + _vertex(surface[row, max(column - 1, 0):column + 2]),
            row - REACH + _vertex(surface[max(row - 1, 0):row + 2, column]))
        score = 1 - surface[REACH, REACH] / top
        return Drift(float(score), (float(offset[0] * self._pitch[0]),
                                    float(offset[1] * self._pitch[1])), self._pairs)


def agreement(thermal: np.ndarray, luma: np.ndarray, valid: np.ndarray | None
              ) -> tuple[np.ndarray | None, tuple[float, float]]:
    """
    Return how well edges agree for each move of the thermal image, and the moves' pitch in pixels.

    The first is float32 (2 REACH + 1)^2, rows for y, relative to the median of all moves (mere
    chance); None where one of the images has no edges.
    """
    height, width = luma.shape
    small = (min(WIDTH, width), max(round(height * min(WIDTH, width) / width), 4 * REACH))
    pitch = (width / small[0], height / small[1])
    thermal, luma = (cv2.resize(image, small, interpolation=cv2.INTER_AREA)
                     for image in (thermal, luma))
    mask = None
    if valid is not None:
        # Off the border of the thermal view, which is an edge to the filter.
        mask = cv2.resize((valid == 255).astype(np.uint8), small, interpolation=cv2.INTER_NEAREST)
        mask = cv2.erode(mask, np.ones((9, 9), np.uint8),
                         borderType=cv2.BORDER_CONSTANT, borderValue=1)
    moving = directions(thermal, mask, sigma=1.0)[REACH:-REACH, REACH:-REACH]
    fixed = directions(luma, sigma=1.0)
    energy = math.sqrt(float(np.vdot(moving, moving)) * float(np.vdot(fixed, fixed)))
    if not energy > _FEWEST_EDGES * small[0] * small[1]:
        return None, pitch
    surface = cv2.matchTemplate(fixed, np.ascontiguousarray(moving), cv2.TM_CCORR) / energy
    return surface - np.median(surface), pitch


def _vertex(values: np.ndarray) -> float:
    """Return where the parabola through three values peaks, relative to the middle one."""
    if values.size < 3:
        return 0.0
    bend = values[0] - 2 * values[1] + values[2]
    return float(0.5 * (values[0] - values[2]) / bend) if bend < 0 else 0.0
