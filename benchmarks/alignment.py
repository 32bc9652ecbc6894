"""
How well two cameras are registered without a board: real pairs, moved by random homographies.

Each draw takes 60 registered pairs of a data set, gives the thermal images another size, scale
(0.7 to 1.3), turn (5 degrees), place (8 % of the width) and tilt, a lens that distorts, and the
noise of a 16-bit camera, and asks for the registration. Errors are in RGB pixels (640x480) over
what both cameras see, against what a homography can be at best. Blank scenes must give nothing.

MSRS and RoadScene are not registered to the pixel themselves, and by no homography: tile by tile
the edges of either half of MSRS ask for the same moves, up to 12 pixels in a corner. So a smooth
field fitted to every second pair straightens the others, of which the draws are made. TNO has six
pairs; its draws are of windows of these, as published.
"""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
import time

import cv2
import numpy as np
from tabulate import tabulate

from uaafusion_ros.imaging.calibration.automatic import register
from uaafusion_ros.imaging.calibration.contract import finish
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.calibration.tiles import halved
from uaafusion_ros.imaging.calibration.tiles import measure
from uaafusion_ros.imaging.calibration.tiles import Step
from uaafusion_ros.imaging.registration.homography import project
from uaafusion_ros.imaging.thermal import ThermalScaler

RGB = (640, 480)
SETS = {'MSRS': 'msrs/train', 'RoadScene': 'roadscene', 'TNO': 'tno'}
PAIRS = 60
_SIZES = ((640, 512), (640, 480), (384, 288), (320, 240))
_CENTRE = (np.array(RGB) - 1) / 2


@dataclass(frozen=True)
class Rig:
    """
    Two cameras: `matrix` maps ideal thermal pixels to published RGB pixels, `zoom` those to RGB.

    `distortion` is the radial shift of a thermal corner, as a share of its radius.
    """

    size: tuple[int, int]
    matrix: np.ndarray
    zoom: np.ndarray
    distortion: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Rig:
        """Return random cameras; the RGB camera sees what the thermal pairs were taken of."""
        size = _SIZES[rng.integers(len(_SIZES))]
        scale, turn = np.exp(rng.uniform(*np.log([0.7, 1.3]))), np.radians(rng.uniform(-5, 5))
        shift, tilt = rng.uniform(-0.08, 0.08, 2) * RGB[0], rng.uniform(-3e-5, 3e-5, 2)
        linear = scale * RGB[0] / size[0] * np.array(
            [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        placed, tilted, back = np.eye(3), np.eye(3), np.eye(3)
        placed[:2, :2], placed[:2, 2] = linear, shift - linear @ (np.array(size) - 1) / 2
        tilted[2, :2], back[:2, 2] = tilt, _CENTRE
        magnified = max(1.0, 1.12 * scale)
        zoom = np.diag([magnified, magnified, 1.0])
        zoom[:2, 2] = _CENTRE * (1 - magnified)
        return cls(size, back @ tilted @ placed, zoom, rng.uniform(-0.01, 0.01))

    def view(self, pair: View, rng: np.random.Generator) -> View:
        """Return what the cameras see of a registered pair."""
        luma = cv2.warpPerspective(pair.luma, self.zoom, RGB)
        places = np.stack(np.meshgrid(*map(np.arange, self.size)), -1).reshape(-1, 2)
        source = project(np.linalg.inv(self.zoom) @ self.matrix, self._ideal(places))
        seen = cv2.remap(
            cv2.GaussianBlur(pair.thermal, (0, 0), 0.5), source.reshape(
                *self.size[::-1], 2).astype(np.float32), None, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE)
        return View(pair.name, counted(seen, rng), luma)

    def errors(self, found: np.ndarray) -> tuple[float, float]:
        """Return median and largest error of a homography."""
        places = np.stack(np.meshgrid(*(np.linspace(0, side - 1, 25) for side in self.size)),
                          -1).reshape(-1, 2)
        true = project(self.matrix, self._ideal(places))
        shared = ((true >= 0) & (true <= np.array(RGB) - 1)).all(axis=1)
        best, _ = cv2.findHomography(places[shared], true[shared])
        errors = np.hypot(*(project(found, places[shared]) - project(best, places[shared])).T)
        return float(np.median(errors)), float(errors.max())

    def _ideal(self, places: np.ndarray) -> np.ndarray:
        centre = (np.array(self.size) - 1) / 2
        rays = (places - centre) / np.hypot(*centre)
        return centre + (places - centre) * (
            1 + self.distortion * (rays**2).sum(axis=1, keepdims=True))


def counted(thermal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image as a 16-bit camera would send it, with its noise, scaled to 8 bits."""
    height, width = thermal.shape
    counts = 7000 + 8.0 * thermal + rng.normal(0, 8, thermal.shape)
    counts += rng.normal(0, 3, (1, width)) + rng.normal(0, 3, (height, 1))
    return ThermalScaler().scale(counts.astype(np.uint16)).image


def blank(kind: str, rng: np.random.Generator) -> list[View]:
    """Return pairs of a 'wall' or a night 'sky': noise, and in RGB a gradient or a few stars."""
    ramp = 90 + 30 * np.linspace(0, 1, RGB[0])[None] * np.ones((RGB[1], 1))
    views = []
    for number in range(PAIRS):
        luma = ramp if kind == 'wall' else np.full(RGB[::-1], 6.0)
        luma = (luma + rng.normal(0, 3, luma.shape)).clip(0, 255).astype(np.uint8)
        if kind == 'sky':
            for x, y in rng.integers(0, RGB, (20, 2)):
                luma = cv2.circle(luma, (int(x), int(y)), 1, 200, -1)
        views.append(View(str(number), counted(np.zeros((256, 320)), rng), luma))
    return views


def pairs(name: str, data: Path) -> list[View]:
    """Return registered pairs of RGB's size."""
    folder = data / SETS[name]
    found = [View(thermal.stem, *(
        cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), RGB, interpolation=cv2.INTER_AREA)
        for path in (thermal, folder / 'vi' / thermal.name)))
        for thermal in sorted((folder / 'ir').iterdir())]
    if name == 'TNO':
        rng = np.random.default_rng(0)
        return [window(pair, rng) for pair in found for _ in range(2 * PAIRS // len(found))]
    moves = field(found[::2])
    return [View(pair.name, cv2.remap(
        pair.thermal, moves, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), pair.luma)
        for pair in found[1::2]]


def window(pair: View, rng: np.random.Generator) -> View:
    """Return a random part of a pair, at its size: what cameras see that look around."""
    share = rng.uniform(0.6, 0.8)
    move = np.diag([1 / share, 1 / share, 1.0])
    move[:2, 2] = -rng.uniform(0, 1 - share, 2) * np.array(RGB) / share
    return View(pair.name, *(cv2.warpPerspective(image, move, RGB)
                             for image in (pair.thermal, pair.luma)))


def field(views: list[View]) -> np.ndarray:
    """Return, for each RGB pixel, the thermal pixel (float32 HxWx2) that the edges lay there."""
    x, y = np.meshgrid(np.arange(RGB[0]), np.arange(RGB[1]))
    shift = np.zeros((*RGB[::-1], 2))
    for reach in (8, 5):
        moved = [View(view.name, cv2.remap(
            view.thermal, np.dstack([x + shift[..., 0], y + shift[..., 1]]).astype(np.float32),
            None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), view.luma) for view in views]
        tiles = finish(measure(moved, halved(1), Step(1, 32, reach, 1)))
        used = range(len(moved))
        moves, clear = tiles.moves_of_tiles(used)
        weight = np.sqrt(tiles.pooled(used).max(axis=(1, 2)).clip(0) * clear)[:, None]
        solved = np.linalg.lstsq(weight * _cubic(2 * tiles.centres + 0.5), weight * moves,
                                 rcond=None)[0]
        shift -= (_cubic(np.stack([x, y], -1).reshape(-1, 2)) @ solved).reshape(shift.shape)
    print(f'moved by up to {np.hypot(*shift.reshape(-1, 2).T).max():.1f} pixels to be registered')
    return np.dstack([x + shift[..., 0], y + shift[..., 1]]).astype(np.float32)


def _cubic(places: np.ndarray) -> np.ndarray:
    x, y = ((places - _CENTRE) / _CENTRE[0]).T
    return np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], axis=1)


def main() -> None:
    """Print a row per draw and the summary of each set."""
    parser = ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data'))
    parser.add_argument('--draws', type=int, default=10, help='of each data set and blank scene')
    parser.add_argument('--scenes', nargs='+', default=[*SETS, 'wall', 'sky'])
    options = parser.parse_args()
    cv2.setNumThreads(1)  # so that processor time is what one core is busy for
    summary = []
    for name in options.scenes:
        registered = pairs(name, options.data) if name in SETS else []
        rows = []
        for seed in range(options.draws):
            rng = np.random.default_rng(seed)
            rig = Rig.drawn(rng)
            views = [rig.view(registered[i], rng) for i in rng.choice(
                len(registered), PAIRS, replace=False)] if registered else blank(name, rng)
            began = time.process_time()
            verdict = register(views)
            spent = time.process_time() - began
            errors = (rig.errors(verdict.fit.matrix) if registered and verdict.fit
                      else (np.nan, np.nan))
            rows.append([verdict.sure, *errors, verdict.uncertainty_px, spent])
            print(name, seed, verdict.sure, np.round(rows[-1][1:], 2), verdict.reason, flush=True)
        table = np.array(rows, float)
        sure, good = table[:, 0] > 0, (table[:, 1] < 1.5) & (table[:, 2] < 3)
        wrong = sure & ~((table[:, 1] < 3) & (table[:, 2] < 6))
        summary.append([name, len(rows), int(sure.sum()), int((sure & good).sum()),
                        int(wrong.sum()), *np.median(table[sure, 1:3], axis=0),
                        table[sure, 2].max(initial=0), np.mean(table[:, -1])])
    print(tabulate(summary, ['scene', 'draws', 'sure', 'sure, < 1.5 and < 3', 'sure and wrong',
                             'median', 'worst place', 'worst of all', 'processor s'],
                   floatfmt='.2f'))


if __name__ == '__main__':
    main()
