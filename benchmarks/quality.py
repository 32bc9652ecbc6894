"""
Compare fusion methods on the labelled MSRS pairs, all under one evaluator.

Run it from the source tree: python benchmarks/quality.py --data DIR --peers DIR. It prints
Markdown: the mean of every metric of docs/metrics.md over the pairs, how many of the eight
usual ones each method wins against the others, and the IoU of the models' masks.

Every method is judged on gray images of 8 bits: thermal as it is, RGB and fused colour images as
BT.601 luma, rounded, the way OpenCV converts them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
import sys
from typing import Callable

import cv2
import numpy as np

# The training package, whose data set reader this shares, is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from train.config import Source  # noqa: E402
from train.data import LAYOUTS  # noqa: E402
from train.data import read  # noqa: E402
from train.data import Sample  # noqa: E402
from uaafusion_ros.engine.backend import load_backend  # noqa: E402
from uaafusion_ros.errors import DatasetError  # noqa: E402
from uaafusion_ros.errors import EngineError  # noqa: E402
from uaafusion_ros.errors import ParameterError  # noqa: E402
from uaafusion_ros.errors import UaafusionError  # noqa: E402
from uaafusion_ros.evaluation.fusion_metrics import evaluate  # noqa: E402
from uaafusion_ros.evaluation.fusion_metrics import METRICS  # noqa: E402
from uaafusion_ros.evaluation.segmentation_metrics import confusion  # noqa: E402
from uaafusion_ros.evaluation.segmentation_metrics import scores  # noqa: E402

LAYOUT = 'msrs'
PEER_FOLDER = 'msrs_val_y'
USUAL = ('EN', 'SD', 'SF', 'MI', 'SCD', 'VIF', 'Qabf', 'SSIM')


@dataclass(frozen=True)
class Method:
    """
    A name and how it fuses a pair: a gray or RGB uint8 image, and a mask or None.

    `ours` marks the methods whose wins over the others are counted.
    """

    name: str
    fuse: Callable[[Sample], tuple[np.ndarray, np.ndarray | None]]
    ours: bool


def gray(image: np.ndarray) -> np.ndarray:
    """BT.601 luma of an RGB image; a gray one as it is."""
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def mean_fusion() -> Method:
    """Half thermal, half luma: what any method has to beat."""
    def fuse(sample: Sample) -> tuple[np.ndarray, None]:
        return cv2.addWeighted(sample.thermal, 0.5, gray(sample.rgb), 0.5, 0), None
    return Method('mean', fuse, ours=False)


def folder(name: str, path: Path, ours: bool) -> Method:
    """Images on disk, gray or colour, named like the pairs."""
    def fuse(sample: Sample) -> tuple[np.ndarray, None]:
        found = sorted(path.glob(f'{sample.name}.*'))
        image = cv2.imread(str(found[0]), cv2.IMREAD_ANYCOLOR) if found else None
        if image is None:
            raise DatasetError(
                f"{path / sample.name}.*: no readable image; '{name}' must hold one per pair")
        return image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1]), None
    return Method(name, fuse, ours)


def model(preset: str) -> Method:
    """The shipped model of a preset, as the node runs it."""
    backend = load_backend(preset=preset)
    if backend.spec.classes != LAYOUTS[LAYOUT].classes:
        raise EngineError(f"preset '{preset}' knows the classes {backend.spec.classes}, the data "
                          f'set {LAYOUTS[LAYOUT].classes}; its masks cannot be scored')

    def fuse(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        output = backend.infer(sample.rgb, sample.thermal)
        return output.fused, output.mask
    return Method(f'uaafusion {preset} ({backend.name})', fuse, ours=True)


def measure(method: Method, samples: list[Sample]) -> tuple[dict[str, float], np.ndarray | None]:
    """Return the mean of every metric and, for a method with masks, the confusion counts."""
    rows, counts = [], None
    for number, sample in enumerate(samples, 1):
        if sys.stderr.isatty():
            print(f'\r{method.name}: {number}/{len(samples)} ', end='', file=sys.stderr)
        fused, mask = method.fuse(sample)
        rows.append(evaluate(sample.thermal, gray(sample.rgb), gray(fused)))
        if mask is not None:
            found = confusion(mask, sample.label, len(LAYOUTS[LAYOUT].classes))
            counts = found if counts is None else counts + found
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}, counts


def table(head: list[str], rows: list[list[str]]) -> str:
    """Format a Markdown table; all columns but the first are aligned to the right."""
    rule = ['---', *['---:'] * (len(head) - 1)]
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, rule, *rows))


def fusion_table(means: dict[str, dict[str, float]], n: int) -> str:
    """One row per method, one column per metric."""
    head = ['method', *(f'{m.name} {"↑" if m.higher_is_better else "↓"}' for m in METRICS), 'n']
    return table(head, [
        [name, *(f'{row[m.name]:.{1 if m.name == "MSE" else 3}f}' for m in METRICS), str(n)]
        for name, row in means.items()])


def wins(ours: dict[str, float], other: dict[str, float]) -> str:
    """Say how many of the usual metrics are strictly better, and which are not."""
    up = {metric.name: metric.higher_is_better for metric in METRICS}
    lost = [name for name in USUAL if not (
        ours[name] > other[name] if up[name] else ours[name] < other[name])]
    text = f'{len(USUAL) - len(lost)} of {len(USUAL)}'
    return f'{text} (not {", ".join(lost)})' if lost else text


def segmentation_table(counts: dict[str, np.ndarray]) -> str:
    """One row per model, one column per class that has label pixels, in percent."""
    results = {name: scores(each) for name, each in counts.items()}
    absent = next(iter(results.values())).absent
    classes = [(k, c) for k, c in enumerate(LAYOUTS[LAYOUT].classes) if k not in absent]
    text = table(
        ['model', *(name for _, name in classes), 'mIoU', 'mAcc'],
        [[name, *(f'{100 * s.iou[k]:.1f}' for k, _ in classes), f'{100 * s.miou:.1f}',
          f'{100 * s.macc:.1f}'] for name, s in results.items()])
    left_out = ', '.join(LAYOUTS[LAYOUT].classes[k] for k in absent) or 'none'
    return f'{text}\n\nWithout a label pixel here, and left out of the means: {left_out}.'


def report(methods: list[Method], samples: list[Sample]) -> str:
    """Measure all methods and lay out the three tables."""
    measured = {method.name: measure(method, samples) for method in methods}
    if sys.stderr.isatty():
        print(file=sys.stderr)
    means = {name: row for name, (row, _) in measured.items()}
    counts = {name: each for name, (_, each) in measured.items() if each is not None}
    parts = [f'Mean over {len(samples)} pairs:', fusion_table(means, len(samples))]
    ours = [method.name for method in methods if method.ours]
    others = [method.name for method in methods if not method.ours]
    if ours:
        parts += [
            f'Better in how many of {", ".join(USUAL)}:',
            table(['', *(f'against {name}' for name in others)],
                  [[name, *(wins(means[name], means[other]) for other in others)]
                   for name in ours])]
    if counts:
        parts += ['IoU of the masks in percent:', segmentation_table(counts)]
    return '\n\n'.join(parts)


def named_folder(text: str) -> tuple[str, Path]:
    """Parse NAME=DIR."""
    name, equals, path = text.partition('=')
    if not (name and equals and Path(path).is_dir()):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=DIR with an existing folder")
    return name, Path(path)


def positive(text: str) -> int:
    """Parse an integer above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not an integer above 0")
    return int(text)


def main() -> int:
    """Parse the command line, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--data', type=Path, default=Path('../shared/data/msrs/val'),
                        help='folder with vi/, ir/ and label/ (default: %(default)s)')
    parser.add_argument('--peers', type=Path, default=Path('../shared/data/peers'),
                        help=f'folder with the outputs of published networks, '
                             f'NAME/{PEER_FOLDER}/ (default: %(default)s)')
    parser.add_argument('--preset', nargs='*', default=['fast'],
                        help='shipped models to run (default: fast)')
    parser.add_argument('--fused', type=named_folder, action='append', default=[],
                        metavar='NAME=DIR', help='more fused images, named like the pairs')
    parser.add_argument('--pairs', type=positive, metavar='N',
                        help='use only N pairs, spread evenly over the set')
    arguments = parser.parse_args()
    try:
        samples = read(Source(LAYOUT, str(arguments.data)))
        if arguments.pairs is not None:
            chosen = np.linspace(0, len(samples) - 1, arguments.pairs).round().astype(int)
            samples = [samples[k] for k in sorted(set(chosen.tolist()))]
        peers = sorted(arguments.peers.glob(f'*/{PEER_FOLDER}'))
        if not peers:
            raise DatasetError(f'{arguments.peers}: holds no NAME/{PEER_FOLDER}/')
        methods = [
            mean_fusion(),
            *(folder(path.parent.name, path, ours=False) for path in peers),
            *(folder(name, path, ours=True) for name, path in arguments.fused),
            *(model(preset) for preset in arguments.preset)]
        names = [method.name for method in methods]
        if len(set(names)) < len(names):
            raise ParameterError(f'two methods of one name: {", ".join(names)}; rename one')
        print(report(methods, samples))
    except UaafusionError as error:
        print(f'quality.py: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
