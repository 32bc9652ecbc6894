"""
How well two cameras are registered without a board: real pairs, moved by random homographies.

Each draw takes 60 registered pairs of a data set, gives the thermal images another size, scale
(0.7 to 1.3), turn (5 degrees), place (8 % of the width) and tilt, a lens that distorts, and the
noise of a 16-bit camera, and asks for the registration. Errors are in RGB pixels (640x480) over
what both cameras see, against what a homography can be at best. The sets are not perfectly
registered themselves: what is found in half of the unmoved pairs counts as the truth, and the
errors against the pairs as published stand beside it. Blank scenes must give nothing.
"""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
import time

import cv2
import numpy as np
from tabulate import tabulate

from uaafusion_ros.imaging.calibration import edge_matching
from uaafusion_ros.imaging.calibration.automatic import register
from uaafusion_ros.imaging.calibration.contract import View
from uaafusion_ros.imaging.registration.homography import project
from uaafusion_ros.imaging.thermal import ThermalScaler

RGB = (640, 480)
SETS = {'MSRS': 'msrs/train', 'RoadScene': 'roadscene'}
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

    def errors(self, found: np.ndarray, published: np.ndarray) -> tuple[float, float]:
        """Return median and largest error; `published` (3x3) is the data set's own."""
        places = np.stack(np.meshgrid(*(np.linspace(0, side - 1, 25) for side in self.size)),
                          -1).reshape(-1, 2)
        # The set's misalignment is one of published pixels, before the zoom.
        truth = self.zoom @ published @ np.linalg.inv(self.zoom) @ self.matrix
        true = project(truth, self._ideal(places))
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


def pairs(folder: Path) -> list[View]:
    """Read the pairs of a data set, all brought to RGB's size, which keeps them registered."""
    return [View(thermal.stem, *(
        cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), RGB, interpolation=cv2.INTER_AREA)
        for path in (thermal, folder / 'vi' / thermal.name)))
        for thermal in sorted((folder / 'ir').iterdir())]


def main() -> None:
    """Print a row per draw and the summary of each set."""
    parser = ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data'))
    parser.add_argument('--draws', type=int, default=10, help='of each data set and blank scene')
    options = parser.parse_args()
    cv2.setNumThreads(1)  # so that processor time is what one core is busy for
    summary = []
    for name, folder in SETS.items():
        registered = pairs(options.data / folder)
        own = edge_matching.match(registered[::2]).matrix
        rows = []
        for seed in range(options.draws):
            rng = np.random.default_rng(seed)
            rig = Rig.drawn(rng)
            views = [rig.view(registered[i], rng)
                     for i in rng.choice(len(registered), PAIRS, replace=False)]
            began = time.process_time()
            verdict = register(views)
            spent = time.process_time() - began
            errors = [np.nan] * 4 if verdict.fit is None else [
                *rig.errors(verdict.fit.matrix, own), *rig.errors(verdict.fit.matrix, np.eye(3))]
            rows.append([verdict.sure, *errors, verdict.uncertainty_px, spent])
            print(name, seed, verdict.sure, np.round(rows[-1][1:], 2), verdict.reason, flush=True)
        table = np.array(rows, float)
        sure, good = table[:, 0] > 0, (table[:, 1] < 1.5) & (table[:, 2] < 3)
        summary.append([name, len(rows), int(sure.sum()), int((sure & good).sum()),
                        *np.median(table[sure, 1:5], axis=0), table[sure, 2].max(initial=0),
                        np.mean(table[:, -1])])
    for kind in ('wall', 'sky'):
        sure = [register(blank(kind, np.random.default_rng(seed))).sure
                for seed in range(options.draws)]
        summary.append([kind, len(sure), sum(sure)])
    print(tabulate(summary, ['scene', 'draws', 'sure', 'sure, < 1.5 and < 3', 'median',
                             'worst place', 'published: median', 'worst place',
                             'worst of all', 'processor s'], floatfmt='.2f'))


if __name__ == '__main__':
    main()
