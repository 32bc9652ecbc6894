"""
The registration of two cameras found while they run, and followed when their mount moves.

What is in use is given up for one thing only: another homography whose edges agree better on
images that it was not fitted to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from enum import Enum

import cv2
import numpy as np

from uaafusion_ros.imaging.calibration.automatic import register_steps
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.calibration.edge_matching import correlation
from uaafusion_ros.imaging.calibration.edge_matching import refine_steps
from uaafusion_ros.imaging.calibration.edge_matching import surface_of
from uaafusion_ros.imaging.calibration.edge_matching import SURFACE_PITCH
from uaafusion_ros.imaging.calibration.tiles import peak

# Views of a moving scene that a registration is sought in, and the least time between two.
SEARCHED_VIEWS = 60
_APART_NS = 400_000_000

# Two views of one scene say the same; they differ by this at least, in grey levels.
_SCENE_CHANGE = 4.0
_THUMBNAIL = (32, 24)

# The mount has moved if the edges of so many views, this far apart, together agree better by so
# many standard deviations, and well, after a move of more than so many pixels (of 640).
_BUMPED_VIEWS = 5
_WATCHED_APART_NS = 200_000_000
_BUMPED_GAIN = 0.7
_BUMPED_PEAK = 1.5
_BUMPED_PX = 5.0

# Of the views for a search, those kept back to compare it with the registration in use.
_UNSEEN_VIEWS = 12

# A moved mount is followed on so many such views, two thirds to fit to and the
# rest to confirm; if they do not, on the next so many.
_FOLLOWED_VIEWS = 12
_FOLLOWED_TIMES = 4

# Views over which the agreement is averaged, and below which (in standard deviations over
# chance) the edges say no more that the registration is right.
_RECENT = 20
_NO_AGREEMENT = 1.0

# Standard errors by which another registration must be better, and how well its edges must agree
# at least: aligned images have 0.2 or more, those of different scenes and blank ones below 0.05.
_CLEARLY = 2.0
_LEAST_CORRELATION = 0.1

# Pieces of work per view.
_PIECES = 3


class State(Enum):
    """Whether there is a registration to be relied on."""

    SEARCHING = 'searching'
    SURE = 'sure'
    LOST = 'lost'


@dataclass(frozen=True)
class Status:
    """
    What a tracker knows.

    `matrix` (3x3, thermal pixels to RGB pixels) is None until there is one that can be relied on;
    in state LOST it is the last one. `uncertainty_px` is in RGB pixels, NaN where unknown.
    `score` says by how many standard deviations the edges of the last views agree better than by
    chance. `views` are those gathered for the next search; `reason` is a sentence; `points` are
    the tiles that the matrix rests on. `urgent` says that the mount seems to have moved, so that
    more views are wanted at once.
    """

    state: State = State.SEARCHING
    matrix: np.ndarray | None = None
    uncertainty_px: float = np.nan
    score: float = np.nan
    views: int = 0
    reason: str = 'gathering views of a moving scene'
    points: int = 0
    urgent: bool = False


class Tracker:
    """
    Finds and follows a homography; give it a view whenever there is time for one.

    Each `take` does a piece of work of some tens of milliseconds and says what is known then.
    `known` is a homography from before, for images of the sizes (width, height) beside it.
    """

    def __init__(self, known: np.ndarray | None = None, thermal_size: tuple[int, int] = (0, 0),
                 rgb_size: tuple[int, int] = (0, 0)) -> None:
        self._status = Status() if known is None else Status(
            State.SURE, known, reason='as an earlier run found it')
        self._shapes: tuple[tuple[int, ...], ...] | None = None if known is None else (
            thermal_size[::-1], rgb_size[::-1])
        self._watched_ns = -_WATCHED_APART_NS
        self._forget_views()

    @property
    def status(self) -> Status:
        """What is known now."""
        return self._status

    def take(self, view: View, now_ns: int) -> Status:
        """Take in a view at a time (ns, ascending) and do a piece of work."""
        shapes = view.thermal.shape, view.luma.shape
        if self._shapes not in (None, shapes):
            self._status = replace(Status(), reason='the size of the images has changed')
            self._forget_views()
        self._shapes = shapes
        if self._status.matrix is not None:
            self._watch(view, self._status.matrix, now_ns)
        self._gather(view, now_ns)
        self._work()
        self._status = replace(
            self._status, views=len(self._gathered), score=self._score(),
            urgent=self._since_bump is not None or (
                bool(self._recent) and _wanted_move([self._recent[-1]]) is not None))
        return self._status

    def _score(self) -> float:
        return float(np.mean([_at_rest(surface) for surface in self._recent])
                     ) if self._recent else np.nan

    def _forget_views(self) -> None:
        self._gathered: deque[View] = deque(maxlen=SEARCHED_VIEWS)
        self._recent: deque[np.ndarray] = deque(maxlen=_RECENT)
        self._since_bump: list[View] | None = None
        self._times_followed = 0
        self._job: Generator[None, None, Status] | None = None
        self._gathered_ns = -_APART_NS
        self._thumbnail: np.ndarray | None = None

    # Taking views in

    def _gather(self, view: View, now_ns: int) -> None:
        """Keep the view for a search if it shows something new."""
        if now_ns - self._gathered_ns < _APART_NS:
            return
        small = cv2.resize(view.luma, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= small.mean()
        if self._thumbnail is not None and (
                np.abs(small - self._thumbnail).mean() < _SCENE_CHANGE):
            return
        self._gathered_ns, self._thumbnail = now_ns, small
        self._gathered.append(view)

    def _watch(self, view: View, matrix: np.ndarray, now_ns: int) -> None:
        """Notice what the view says of the registration in use."""
        if now_ns - self._watched_ns < _WATCHED_APART_NS:
            return
        self._watched_ns = now_ns
        if self._since_bump is not None:
            self._since_bump.append(view)
            return
        self._recent.append(surface_of(view, matrix))
        move = (_wanted_move(list(self._recent)[-_BUMPED_VIEWS:])
                if len(self._recent) >= _BUMPED_VIEWS else None)
        score, state = self._score(), self._status.state
        if move is not None and state is State.SURE:
            self._lose(f'the edges ask for a move by {move[0]:+.0f}, {move[1]:+.0f} pixels of an '
                       'image 640 wide: the mount has moved')
            self._since_bump = [view]
        elif len(self._recent) < _RECENT:
            return
        elif state is State.SURE and score < _NO_AGREEMENT:
            self._lose('the edges of the last images agree no better than by chance')
        elif state is State.LOST and score > 2 * _NO_AGREEMENT:
            self._status = replace(self._status, state=State.SURE,
                                   reason='the edges agree with it again')

    def _lose(self, reason: str) -> None:
        self._forget_views()
        self._status = replace(self._status, state=State.LOST, uncertainty_px=np.nan,
                               reason=reason)

    # Work, piece by piece

    def _work(self) -> None:
        for _ in range(_PIECES):
            if self._job is None:
                self._job = self._next_job()
            if self._job is None:
                return
            try:
                next(self._job)
            except StopIteration as end:
                self._job = None
                found: Status = end.value
                if found.matrix is not self._status.matrix:
                    self._forget_views()
                self._status = found

    def _next_job(self) -> Generator[None, None, Status] | None:
        if self._since_bump is not None and self._times_followed == _FOLLOWED_TIMES:
            self._since_bump = None  # it is sought from nothing as soon as there are views
        if self._since_bump is not None and self._status.matrix is not None:
            if len(self._since_bump) < _FOLLOWED_VIEWS:
                return None
            views, self._since_bump = self._since_bump, []
            self._times_followed += 1
            return self._follow(views, self._status.matrix)
        if len(self._gathered) < SEARCHED_VIEWS:
            return None
        views = list(self._gathered)
        self._gathered.clear()
        return self._search(views)

    def _search(self, views: Sequence[View]) -> Generator[None, None, Status]:
        """Look for a homography; one from before is replaced by a better one only."""
        old, start = self._status.matrix, None
        if old is not None:
            views, unseen = views[:-_UNSEEN_VIEWS], views[-_UNSEEN_VIEWS:]
            start = old if self._status.state is State.SURE else None
        verdict = yield from register_steps(views, start)
        if verdict.fit is None or not verdict.sure:
            return self._status if start is not None else replace(
                self._status, reason=verdict.reason)
        if old is not None and not (yield from _better(verdict.fit.matrix, old, unseen)):
            return self._status
        return Status(State.SURE, verdict.fit.matrix, verdict.uncertainty_px,
                      reason=verdict.reason, points=verdict.fit.points)

    def _follow(self, views: Sequence[View],
                old: np.ndarray) -> Generator[None, None, Status]:
        matrix = yield from refine_steps(
            [view for i, view in enumerate(views) if i % 3 != 1], old)
        if not (yield from _better(matrix, old, views[1::3])):
            return self._status
        return Status(State.SURE, matrix, reason='followed a moved mount: held-out images agree '
                      'better there')


def _at_rest(surface: np.ndarray) -> float:
    return float(surface[surface.shape[0] // 2, surface.shape[1] // 2])


def _wanted_move(surfaces: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the move (x, y) in pixels that views ask for together, None if it is small."""
    mean = np.mean(surfaces, axis=0)
    top, move = peak(mean)
    move = SURFACE_PITCH * move
    clear = top > max(_BUMPED_PEAK, _at_rest(mean) + _BUMPED_GAIN)
    return move if clear and np.hypot(*move) > _BUMPED_PX else None


def _better(new: np.ndarray, old: np.ndarray,
            views: Sequence[View]) -> Generator[None, None, bool]:
    """Whether views agree, and clearly better, under a homography than under another."""
    found, before = [], []
    for view in views:
        found.append(correlation(view, new))
        before.append(correlation(view, old))
        yield
    gains = np.array(found) - before
    spread = gains.std(ddof=1) / np.sqrt(len(gains))
    return bool(np.mean(found) > _LEAST_CORRELATION and gains.mean() > max(_CLEARLY * spread, 0))
