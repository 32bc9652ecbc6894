"""
Registration found in whatever both cameras see, and believed only where other images confirm it.

Every third view is held out. The homography is fitted to the rest; it is sure if the held-out
views, fitted alone, lead to nearly the same one, and if their edges agree there by far better than
by chance. The mean of both is the result.
"""

from __future__ import annotations

from collections.abc import Generator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

import cv2
import numpy as np

from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.imaging.calibration.contract import finish
from uaafusion_ros.imaging.calibration.contract import Fit
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.calibration.edge_matching import check_steps
from uaafusion_ros.imaging.calibration.edge_matching import match_steps
from uaafusion_ros.imaging.registration.homography import corners
from uaafusion_ros.imaging.registration.homography import project

FEWEST_VIEWS = 18
_HELD_OUT = 3

# Largest difference between what fitted and what held-out views lead to, as a share of the RGB
# image's width: 4 pixels of 640. The mean of both is off by less than half of it.
_LARGEST_DIFFERENCE = 4 / 640

# Share of the views whose own edges must agree. Many a view has too few of them to tell, and
# the held-out ones confirm what the others found together.
_LEAST_AGREEING = 0.25

# Standard errors by which the held-out views' agreement must exceed chance.
_CLEAR = 5.0


@dataclass(frozen=True)
class Verdict:
    """
    The homography that was found, None where there is none, and whether it is to be used.

    `uncertainty_px` is in RGB pixels, NaN where nothing was found; `reason` is a sentence.
    """

    fit: Fit | None
    sure: bool
    uncertainty_px: float
    reason: str


def register(views: Sequence[View]) -> Verdict:
    """Return the homography of views of a moving scene, and whether held-out ones confirm it."""
    return finish(register_steps(views))


def register_steps(views: Sequence[View],
                   start: np.ndarray | None = None) -> Generator[None, None, Verdict]:
    """Do what `register` does step by step; from `start` (3x3) where that is nearly right."""
    if len(views) < FEWEST_VIEWS:
        return _unsure(f'{len(views)} views are too few; {FEWEST_VIEWS} or more are needed')
    held_out = views[_HELD_OUT - 1::_HELD_OUT]
    try:
        fit = yield from match_steps(
            [view for i, view in enumerate(views) if i % _HELD_OUT != _HELD_OUT - 1],
            start, _LEAST_AGREEING)
    except RegistrationError as error:
        return _unsure(str(error))
    check = yield from check_steps(held_out, fit.matrix)
    limit = _LARGEST_DIFFERENCE * views[0].luma.shape[1]
    spread = float(check.scores.std(ddof=1)) / np.sqrt(len(check.scores))
    if not check.scores.mean() > _CLEAR * spread:
        return _unsure('the edges of held-out images do not agree there', fit)
    if not check.uncertainty_px <= limit:
        return _unsure(f'held-out images lead {check.uncertainty_px:.1f} pixels away, more than '
                       f'{limit:.1f}', fit, check.uncertainty_px)
    mean = _mean(fit.matrix, check.matrix, views[0].thermal.shape[::-1])
    return Verdict(replace(fit, matrix=mean), True, check.uncertainty_px,
                   f'held-out images confirm it within {check.uncertainty_px:.1f} pixels')


def _mean(fitted: np.ndarray, held_out: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the homography between two by as many views as they rest on."""
    ends = corners(size)
    placed = ((_HELD_OUT - 1) * project(fitted, ends) + project(held_out, ends)) / _HELD_OUT
    return cv2.getPerspectiveTransform(ends.astype(np.float32), placed.astype(np.float32))


def _unsure(reason: str, fit: Fit | None = None, uncertainty_px: float = np.nan) -> Verdict:
    return Verdict(fit, False, uncertainty_px, reason)
