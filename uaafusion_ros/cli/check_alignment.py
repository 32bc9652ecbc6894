"""
Say whether thermal and RGB lie over one another: error over time, worst views, a verdict.

SOURCE is a bag with both cameras, or a folder with rgb/ and thermal/, in which the files of a
pair have equal stems. Checked is the homography of --registration, or scaling as in mode resize.
Ten views or more at a time are compared by their edges, as a single one says little. OUT.png shows
the worst views: on the left lines should run on from square to square, on the right thermal edges
(red) and RGB edges (cyan) should lie on one another (white).

Exit code: 0 if the views are aligned, 1 if not or if they show too little, 2 if nothing could be
checked.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
import math
from pathlib import Path
from typing import Any

from uaafusion_ros.cli.arguments import add_views_arguments
from uaafusion_ros.cli.outputs import check_new
from uaafusion_ros.cli.outputs import write_image
from uaafusion_ros.settings import RegistrationSettings

TOGETHER = 10      # views that are judged together, at least
LIMIT = 0.2        # of the drift score: what real registered pairs stay below
_FEWEST = 5        # views with edges
_SHOWN_VIEWS = 3
_SAME_PX = 3.0     # offsets that differ by less are one


def add_arguments(parser: ArgumentParser) -> None:
    """Add where the images are and which registration is checked."""
    add_views_arguments(parser)
    parser.add_argument('--out', type=Path, required=True, metavar='OUT.png',
                        help='picture of the worst views; must not exist')
    parser.add_argument('--registration', type=Path, metavar='FILE.yaml',
                        help='file of `uaafusion calibrate` (default: scaling)')


def run(options: Namespace) -> int:
    """Print the error over time, the worst views and the verdict; write their picture."""
    import numpy as np

    from uaafusion_ros.cli import calibration_views
    from uaafusion_ros.imaging.calibration.overlay import overlay
    from uaafusion_ros.imaging.registration import load
    from uaafusion_ros.imaging.registration.drift import DriftMonitor

    check_new(options.out)
    file = '' if options.registration is None else str(options.registration)
    registration = load(RegistrationSettings(mode='homography' if file else 'resize', file=file))
    views = calibration_views.read(options)
    single, groups = {}, []
    whole = DriftMonitor(len(views))
    for numbers in np.array_split(np.arange(len(views)), max(len(views) // TOGETHER, 1)):
        group = DriftMonitor(len(numbers))
        for number in numbers:
            view = views[number]
            registered = registration.apply(view.thermal, view.luma.shape)
            images = registered.image, view.luma, registered.valid
            single[number] = DriftMonitor().update(*images)
            overall, drift = whole.update(*images), group.update(*images)
        groups.append((views[numbers[0]].name, view.name, drift))
    for first, last, drift in groups:
        print(f'views {first} to {last}: ' + (
            f'{_apart(drift)} apart, score {drift.score:.2f}' if drift.pairs else 'no edges'))
    worst = sorted((number for number, drift in single.items() if drift.pairs),
                   key=lambda number: -single[number].score)[:_SHOWN_VIEWS]
    for number in worst:
        print(f'worst: view {views[number].name}, score {single[number].score:.2f}')
    aligned, text = verdict(overall, [drift for _, _, drift in groups])
    print(text)
    shown = [overlay(registration, views[number].thermal, views[number].luma)
             for number in worst or [0]]
    width = min(image.shape[1] for image in shown)
    write_image(options.out, np.vstack([image[:, :width] for image in shown]))
    return 0 if aligned else 1


def verdict(whole: Any, groups: list[Any]) -> tuple[bool, str]:
    """
    Return whether views are aligned, and the sentence that says so and what to do.

    `whole` is the `Drift` of all views, `groups` those of groups of views, in order of time.
    """
    if whole.pairs < _FEWEST:
        return False, (f'not known: {whole.pairs} views have edges in both images and {_FEWEST} '
                       'are needed; record structure that both cameras see, such as buildings')
    known = [drift for drift in groups if drift.pairs >= _FEWEST] or [whole]
    bad = [drift.score > LIMIT for drift in known]
    if whole.score <= LIMIT and not any(bad):
        return True, (f'aligned: the edges of both images fit best {_apart(whole)} from where '
                      'they lie')
    if not all(bad) and bad == sorted(bad):
        return False, (f'the cameras have moved during the recording: at its end the images are '
                       f'{_apart(known[-1])} apart; fix the mount and calibrate again (`uaafusion '
                       'calibrate`)')
    if all(math.dist(drift.offset_px, whole.offset_px) < _SAME_PX for drift in known):
        return False, (f'not aligned: move thermal by {whole.offset_px[0]:+.0f}, '
                       f'{whole.offset_px[1]:+.0f} pixels, or by more of it; calibrate '
                       '(`uaafusion calibrate`)')
    return False, ('not aligned, by offsets that change: things at other distances than what was '
                   'calibrated, or stamps that are apart (sync.estimate_offset); calibrate at the '
                   'distance that matters, or use mode plane')


def _apart(drift: Any) -> str:
    return f'{math.hypot(*drift.offset_px):.1f} px'
