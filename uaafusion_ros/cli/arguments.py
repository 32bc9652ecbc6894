"""Arguments and argument types that several verbs share."""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import ArgumentTypeError
import math
from pathlib import Path
import re

from uaafusion_ros.engine.loading import NAMES


def add_model_arguments(parser: ArgumentParser) -> None:
    """Add which network runs and on what."""
    parser.add_argument(
        '--preset', default='fast', help='shipped network to run (default: %(default)s)')
    parser.add_argument(
        '--backend', default='auto',
        help=f'runtime: one of {", ".join(NAMES)} (default: %(default)s)')


def add_roles_argument(parser: ArgumentParser) -> None:
    """Add what takes images for what their pixels say they are not."""
    parser.add_argument(
        '--force-roles', action='store_true',
        help='take coloured images for thermal and 16-bit gray ones for RGB, as they are given')


def add_views_arguments(parser: ArgumentParser) -> None:
    """Add where views of both cameras come from, as `calibration_views.read` takes it."""
    parser.add_argument('source', type=Path, metavar='SOURCE', help='bag, or folder with rgb/ '
                        'and thermal/')
    parser.add_argument('--views', type=_views, default=60, metavar='N',
                        help='most pairs to use, evenly chosen (default: %(default)s)')
    add_roles_argument(parser)
    for camera in ('rgb', 'thermal'):
        parser.add_argument(f'--{camera}-topic', metavar='TOPIC',
                            help=f'{camera} images of a bag, where their name does not say so')


def _views(text: str) -> int:
    if not re.fullmatch(r'\d{1,3}', text) or not 1 <= int(text) <= 200:
        raise ArgumentTypeError(f'{text!r} is no whole number from 1 to 200')
    return int(text)


def positive_float(text: str) -> float:
    """Read a finite number above zero; a wrong one is refused in a sentence."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ArgumentTypeError(f'{text!r} is not a number above 0')
    return value
