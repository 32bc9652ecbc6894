"""
How well the delay between two cameras' stamps is measured, at three pairs of frame rates.

Each scene is a real pair that the cameras sweep over, or before which things pass, and comes to
the estimator as it would in the node: both cameras' images with noise, the thermal ones of
another field of view, stamps with 3 ms of jitter and a delay of up to 200 ms, 30 s long. A
camera that stands before a still scene, under a lamp that flickers or with an exposure that
changes, must give nothing, nor must cameras that see different things move.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import cv2
import numpy as np
from tabulate import tabulate

from uaafusion_ros.harness.pictures import image_pairs
from uaafusion_ros.stream.offset import OffsetEstimator

RATES = ((30, 30), (9, 30), (30, 60))  # thermal, RGB
SECONDS = 30
JITTER_S = 0.003
MOVING = ('sweep', 'passing')
STILL = ('still', 'light', 'steady', 'apart')
_SIZE = (64, 48)  # what the node makes of images of any size
_NOISE = 1.5
_EPOCH_NS = 1_700_000_000 * 10**9

Track = tuple[np.ndarray, np.ndarray, np.ndarray]


def scene_offset(
    kind: str, rates: tuple[int, int], pair: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator, clocks_s: float = 0.0
) -> tuple[float, float | None, float]:
    """
    Let an estimator see one scene; return the true offset and the one found, in ms, and when.

    `pair` are gray images (uint8) of thermal and RGB; `clocks_s` is how far the thermal clock is
    behind. What was found is the last offset that was agreed on, None without one; when is the
    time of the first in s.
    """
    truth_s = rng.uniform(-0.2, 0.2) + clocks_s
    tracks = [_track(kind, rng)] * 2
    if kind == 'apart':
        tracks[1] = _track(kind, rng)
    estimator, found, first_s = OffsetEstimator(), None, np.nan
    frames: list[tuple[float, str, int, float]] = []
    for camera, rate in zip(('thermal', 'rgb'), rates):
        times = np.arange(rng.uniform(0, 1 / rate), SECONDS, 1 / rate)
        stamps = times + rng.normal(0, JITTER_S, len(times))
        if camera == 'thermal':
            stamps -= truth_s
        arrivals = times + rng.uniform(0.01, 0.04, len(times))
        frames += [(arrival, camera, _EPOCH_NS + round(stamp * 1e9), at)
                   for arrival, stamp, at in zip(arrivals, stamps, times)]
    noise = rng.normal(0, _NOISE, 20 * _SIZE[0] * _SIZE[1]).astype(np.float32)
    zooms = {'thermal': rng.uniform(0.8, 1.2), 'rgb': 1.0}
    for arrival, camera, stamp_ns, at in sorted(frames):
        index = camera == 'rgb'
        image = _seen(kind, pair[index], tracks[index], zooms[camera], at, camera, noise, rng)
        answer = estimator.add(camera, image, stamp_ns,
                               10**12 + round(arrival * 1e9))
        if answer is not None:
            found = answer.offset_ms
            first_s = arrival if np.isnan(first_s) else first_s
    return truth_s * 1e3, found, first_s


def _track(kind: str, rng: np.random.Generator) -> Track:
    """Return times (s) and a place by time in pixels: an aim of the cameras, or a passer-by."""
    clock = np.arange(-1, SECONDS + 1, 0.005)
    width = int(rng.uniform(0.15, 0.8) / 0.005)
    ways = []
    for _ in range(2):
        speed = np.convolve(rng.normal(0, 1, len(clock)), np.hanning(width), 'same')
        speed *= np.convolve(rng.random(len(clock)) < 0.002, np.ones(400), 'same') > 0.5
        ways.append(np.cumsum(speed / max(speed.std(), 1e-9)) * 0.005 * rng.uniform(8, 40))
    if kind == 'steady':
        ways = [10.0 * clock, 0 * clock]
    return clock, ways[0], ways[1]


def _seen(kind: str, image: np.ndarray, track: Track, zoom: float, at: float, camera: str,
          noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return what a camera sees at a time, as a thumbnail (float32)."""
    clock, across, down = track
    x, y = np.interp(at, clock, across), np.interp(at, clock, down)
    scale = zoom * _SIZE[0] / image.shape[1] * 1.3
    move = np.array([[scale, 0, -0.15 * _SIZE[0]], [0, scale, -0.15 * _SIZE[1]]])
    if kind in ('sweep', 'steady', 'apart'):
        move[:, 2] += x, y
    seen = cv2.warpAffine(image, move, _SIZE, flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    if kind == 'passing':
        # A fraction of a column moves the edges as a real image's do.
        column = np.arange(_SIZE[0]) - zoom * (24 + x) % (_SIZE[0] + 12) + 6
        body = np.clip(3.5 - np.abs(column), 0, 1) * np.ones((28, 1))
        seen[14:42] += body * ((220 if camera == 'thermal' else 40) - seen[14:42])
    if kind == 'light':
        seen *= 1 + 0.1 * np.sin(9 * at if camera == 'rgb' else 1.3 * at)
    start = rng.integers(0, noise.size - seen.size)
    return seen + noise[start:start + seen.size].reshape(seen.shape)


def pictures(folder: Path | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return gray pairs of thermal and RGB: a data set's, or those that ship with the package."""
    if folder is None:
        return [(thermal, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
                for thermal, rgb in image_pairs('stills', 320, 240)]
    return [tuple(cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (320, 240))
                  for path in (thermal, folder / 'vi' / thermal.name))
            for thermal in sorted((folder / 'ir').iterdir())[::20]]


def main() -> None:
    """Print a row per kind of scene and pair of rates."""
    parser = ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--data', type=Path, help='data set with ir/ and vi/; default: the demo')
    parser.add_argument('--scenes', type=int, default=20, help='of each kind and pair of rates')
    parser.add_argument('--clocks', type=float, default=0.0, metavar='S',
                        help='how far the thermal clock is behind (default: %(default)s)')
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pairs, rows = pictures(options.data), []
    for kind in MOVING + STILL:
        for rates in RATES:
            errors, waits = [], []
            for seed in range(options.scenes):
                rng = np.random.default_rng(seed)
                truth, found, first_s = scene_offset(
                    kind, rates, pairs[seed % len(pairs)], rng, options.clocks)
                if found is not None:
                    errors.append(abs(found - truth))
                    waits.append(first_s)
            errors = np.array(errors)
            rows.append([kind, f'{rates[0]}/{rates[1]}', options.scenes, len(errors),
                         f'{(errors < 10).sum() / options.scenes:.0%}',
                         *np.percentile(errors, [50, 95]).round(1), errors.max(),
                         np.median(waits)] if len(errors) else
                        [kind, f'{rates[0]}/{rates[1]}', options.scenes, 0])
    print(tabulate(rows, ['scene', 'Hz thermal/RGB', 'scenes', 'applied', 'within 10 ms',
                          'error p50 (ms)', 'p95', 'worst', 'after (s)'], floatfmt='.1f'))


if __name__ == '__main__':
    main()
