"""
What the engine's working size saves on large images, and what it costs.

`python -m benchmarks.large_images` takes labelled pairs of 640x480, makes large ones of them, and
compares the whole graph with the one that works at VGA: processor time of one thread, texture of
the fused luma, its difference, contrast of persons, and the mask.

The large RGB image is the small one doubled, with real texture in the octave that doubling leaves
empty: the finest octave of another pair, at the local strength of the pair's own finest octave.
'thermal, too' has such texture in both cameras, the others in RGB, since thermal cameras have
fewer pixels.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from statistics import median
import time

import cv2
import numpy as np

from benchmarks.common import machine
from benchmarks.common import table
from train.config import Source
from train.data import read
from train.data import Sample
from uaafusion_ros.engine.contract import Backend
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.engine.loading import load_backend
from uaafusion_ros.evaluation.fusion_metrics import spatial_frequency
from uaafusion_ros.evaluation.segmentation_metrics import confusion
from uaafusion_ros.evaluation.segmentation_metrics import scores
from uaafusion_ros.evaluation.target_contrast import instances
from uaafusion_ros.evaluation.target_contrast import summary

VGA = (640, 480)
SMOOTH = (15, 15)
LEAST = 0.3  # gray levels of texture that count as its strength where there is none


def gray(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of an image."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def finest(image: np.ndarray) -> np.ndarray:
    """Return the finest octave of a gray image."""
    half = cv2.resize(image.astype(np.float32), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return image - cv2.resize(half, image.shape[::-1], interpolation=cv2.INTER_CUBIC)


def strength(texture: np.ndarray) -> np.ndarray:
    """Return the local root mean square of a texture."""
    return np.sqrt(cv2.blur(texture * texture, SMOOTH)) + LEAST


def doubled(image: np.ndarray, of: np.ndarray, other: np.ndarray | None) -> np.ndarray:
    """Return an image twice as large; with the texture of the gray image `other` at that `of`."""
    large = cv2.resize(image.astype(np.float32), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    if other is not None:
        texture = np.tile(finest(other), (2, 2))
        texture *= cv2.resize(strength(finest(of)), texture.shape[::-1]) / strength(texture)
        large += texture if image.ndim == 2 else texture[..., None]
    return np.rint(large.clip(0, 255)).astype(np.uint8)


def large_pairs(sample: Sample, other: Sample) -> Iterator[
        tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield large pairs of a small one: what they are, RGB, thermal and label."""
    rgb = doubled(sample.rgb, gray(sample.rgb), gray(other.rgb))
    label = sample.label.repeat(2, 0).repeat(2, 1)
    thermal = doubled(sample.thermal, sample.thermal, None)
    yield '1280x960', rgb, thermal, label
    yield ('1280x960, thermal, too', rgb,
           doubled(sample.thermal, sample.thermal, other.thermal), label)
    yield ('1024x768', *(cv2.resize(image, (1024, 768), interpolation=cv2.INTER_AREA)
                         for image in (rgb, thermal)),
           cv2.resize(label, (1024, 768), interpolation=cv2.INTER_NEAREST))


def timed(backend: Backend, rgb: np.ndarray, thermal: np.ndarray) -> tuple[EngineOutput, float]:
    """Return the output of a pair and the processor's milliseconds."""
    began = time.process_time()
    output = backend.infer(rgb, thermal)
    return output, (time.process_time() - began) * 1e3


def quality(samples: list[Sample], whole: Backend, small: Backend) -> list[list[object]]:
    """Return the rows of the table of what the working size costs."""
    classes, person = len(whole.spec.classes), whole.spec.classes.index('person')
    found: dict[str, list[list[float]]] = {}
    counts: dict[str, np.ndarray] = {}
    persons: dict[str, tuple[list, list]] = {}
    for index, sample in enumerate(samples):
        other = samples[(7 * index + 5) % len(samples)]
        for name, rgb, thermal, label in large_pairs(sample, other):
            outputs = [backend.infer(rgb, thermal) for backend in (whole, small)]
            lumas = [gray(output.fused) for output in outputs]
            found.setdefault(name, []).append([
                spatial_frequency(lumas[1]) / spatial_frequency(lumas[0]),
                float(cv2.absdiff(*lumas).mean())])
            counts[name] = counts.get(name, 0) + np.stack([
                confusion(output.mask, label, classes) for output in outputs])
            for kept, luma in zip(persons.setdefault(name, ([], [])), lumas):
                kept += instances(thermal, gray(rgb), luma, label, (person,))
    rows = []
    for name, of_pairs in found.items():
        texture, off = zip(*of_pairs)
        kept = [summary(each).shares[0] * 100 for each in persons[name]]
        rows.append([name, mean(texture), min(texture), max(texture), mean(off), *kept,
                     *(scores(each).miou * 100 for each in counts[name])])
    return rows


def costs(sample: Sample, runtime: str, turns: int) -> list[list[object]]:
    """Return the rows of the table of processor time, all sizes in turns, a graph for each."""
    rows = [(size, [load_backend(backend=runtime, threads=1, working_size=asked)
                    for asked in ((0, 0), VGA)])
            for size in (VGA, (1024, 768), (1280, 1024), (1920, 1080))]
    took: dict[Backend, list[float]] = {}
    for turn in range(turns + 1):
        for size, backends in rows:
            pair = [cv2.resize(image, size) for image in (sample.rgb, sample.thermal)]
            for backend in backends:
                _, ms = timed(backend, *pair)
                if turn:  # the first one compiles
                    took.setdefault(backend, []).append(ms)
    one = [median(took[backend]) for backend in rows[0][1]]
    found = []
    for (width, height), (whole, small) in rows:
        ms = median(took[whole]), median(took[small])
        found.append([f'{width}x{height}', ms[0], ms[0] / one[0], small.ran_at, ms[1],
                      ms[1] / one[1]])
        whole.close()
        small.close()
    return found


def main() -> None:
    """Measure and print both tables."""
    parser = ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data/msrs/val'))
    parser.add_argument('--pairs', type=int, default=40)
    parser.add_argument('--turns', type=int, default=9)
    parser.add_argument('--backend', default='openvino')
    options = parser.parse_args()
    cv2.setNumThreads(1)
    every = read(Source('msrs', str(options.data)))
    samples = [every[k] for k in range(0, len(every), max(1, len(every) // options.pairs))]
    backends = [load_backend(backend=options.backend, threads=1, working_size=size)
                for size in ((0, 0), VGA)]
    print(f"{machine()['processor']}, {backends[0].name}, 1 thread\n")
    print(table(['image', 'whole, ms', 'over VGA', 'works at', 'ms', 'over VGA'],
                costs(samples[0], options.backend, options.turns), 2))
    print()
    print(table(['images', 'texture (SF), ratio', 'least', 'most', 'difference, levels',
                 'persons kept, whole, %', 'at VGA', 'mIoU, whole, %', 'at VGA'],
                quality(samples, *backends), (0, 3, 3, 3, 1, 1, 1, 1, 1)))


if __name__ == '__main__':
    main()
