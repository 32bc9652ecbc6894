"""
Find the homography between a thermal and an RGB camera; write it for registration.mode homography.

SOURCE is a bag with both cameras, or a folder with rgb/ and thermal/, in which the files of a
pair have equal stems. The cameras must stay as they are mounted. Patterns:
  auto          whatever both cameras see; 8 or more views of a scene at the working distance, of
                18 or more every third is held out to confirm what was found in the others
  checkerboard  a board with --board inner corners, warm or cold, at the working distance
  circles       a grid with --board circles
  points        points picked by hand in a file (CSV: view,thermal_x,thermal_y,rgb_x,rgb_y)
Beside OUT.yaml, OUT.png shows the images over one another: look at it before you use the file.

A homography is right at one distance; what is nearer or farther stays displaced by parallax.

Exit code: 0 if the registration was written, 1 if held-out views do not confirm it, 2 if it was
not written.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import ArgumentTypeError
from argparse import Namespace
from pathlib import Path
import re

from uaafusion_ros.cli.arguments import add_views_arguments
from uaafusion_ros.cli.outputs import check_new
from uaafusion_ros.cli.outputs import write_image
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import RegistrationError

PATTERNS = ('auto', 'checkerboard', 'circles', 'points')

_SHOWN_VIEWS = 3


def add_arguments(parser: ArgumentParser) -> None:
    """Add where the images are and what is looked for in them."""
    add_views_arguments(parser)
    parser.add_argument('--out', type=Path, required=True, metavar='OUT.yaml',
                        help='file to write; must not exist')
    parser.add_argument('--pattern', choices=PATTERNS, default='auto',
                        help='what to match (default: %(default)s)')
    parser.add_argument('--board', type=board, default=(9, 6), metavar='COLUMNSxROWS',
                        help='inner corners or circles of the board (default: 9x6)')
    parser.add_argument('--points', type=Path, metavar='FILE', help='picked points (CSV or YAML)')
    for camera in ('rgb', 'thermal'):
        parser.add_argument(f'--{camera}-camera', default=camera, metavar='NAME',
                            help='name of the camera, for the file (default: %(default)s)')


def run(options: Namespace) -> int:
    """Calibrate, print what every view says, write the file and its picture."""
    import numpy as np

    from uaafusion_ros.cli import calibration_views
    from uaafusion_ros.imaging.calibration.overlay import overlay
    from uaafusion_ros.imaging.registration import homography
    from uaafusion_ros.imaging.registration import homography_file

    picture = options.out.with_suffix('.png')
    check_outputs(options.out, picture)
    views = calibration_views.read(options)
    sizes = {(view.thermal.shape, view.luma.shape) for view in views}
    if len(sizes) != 1:
        raise RegistrationError(f'the images of {options.source} have {len(sizes)} different '
                                'pairs of sizes; calibrate with the sizes that the cameras send')
    fit, doubt = _fit(options, views)
    for report in fit.views:
        state = f'left out: {report.left_out}' if report.left_out else 'used'
        print(f'view {report.name}: {report.error_px:.2f} px, {report.points} points, {state}')
    found = _homography(fit, views[0], options)
    registration = homography.registration(found)
    good = {report.name for report in fit.views if not report.left_out}
    shown = [view for view in views if view.name in good][:_SHOWN_VIEWS]
    image = np.vstack([overlay(registration, view.thermal, view.luma) for view in shown])
    write_image(picture, image)
    homography_file.write(options.out, found)
    print(f'{fit.points} points of {len(good)} of {len(fit.views)} views agree within '
          f'{fit.error_px:.2f} px (rms, RGB pixels); wrote {options.out}, look at {picture}')
    if doubt:
        print(f'not confirmed: {doubt}; take more views of another scene, or use a board')
    return 1 if doubt else 0


def board(text: str) -> tuple[int, int]:
    """Read 9x6 as (9, 6); a wrong text is refused in a sentence."""
    found = re.fullmatch(r'(\d{1,2})x(\d{1,2})', text)
    shape = (int(found[1]), int(found[2])) if found else (0, 0)
    if min(shape) < 3:
        raise ArgumentTypeError(f'{text!r} is no COLUMNSxROWS of at least 3x3, such as 9x6')
    return shape


def check_outputs(out: Path, picture: Path) -> None:
    """Raise DatasetError unless both files can be new ones in a folder that exists."""
    if out.suffix.lower() not in ('.yaml', '.yml'):
        raise DatasetError(f'--out {out} must end in .yaml')
    for path in (out, picture):
        check_new(path)


def _fit(options: Namespace, views):
    """Return the fit and why it is to be doubted, if it is."""
    from uaafusion_ros.imaging.calibration import automatic
    from uaafusion_ros.imaging.calibration import boards
    from uaafusion_ros.imaging.calibration import edge_matching
    from uaafusion_ros.imaging.calibration import fitting
    from uaafusion_ros.imaging.calibration import points

    if options.pattern == 'auto' and len(views) < automatic.FEWEST_VIEWS:
        return edge_matching.match(views), ''
    if options.pattern == 'auto':
        verdict = automatic.register(views)
        if verdict.fit is None:
            raise RegistrationError(verdict.reason)
        if verdict.sure:
            print(verdict.reason)
        return verdict.fit, '' if verdict.sure else verdict.reason
    if options.pattern == 'points':
        if options.points is None:
            raise RegistrationError('--pattern points needs --points FILE')
        return fitting.fit(points.read(options.points)), ''
    found = []
    for view in views:
        match = boards.match(view, options.pattern, options.board)
        if match is None:
            print(f'view {view.name}: the board is not seen whole in both images, left out')
        else:
            found.append(match)
    if not found:
        raise RegistrationError(
            f'no view shows a whole {options.pattern} of {options.board[0]}x{options.board[1]} in '
            'both images; give its inner corners or circles by --board, and warm it so that the '
            'thermal camera sees it')
    return fitting.fit(found), ''


def _homography(fit, view, options: Namespace):
    from datetime import date

    from uaafusion_ros.imaging.registration.homography import Homography

    return Homography(
        fit.matrix, view.thermal.shape[::-1], view.luma.shape[::-1], fit.error_px, fit.points,
        date.today().isoformat(), options.thermal_camera, options.rgb_camera)
