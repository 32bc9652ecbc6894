"""
Draw validation pairs with what the shipped model makes of them, to look at.

Run it from the source tree: python benchmarks/sheet.py --data DIR --out FILE. Pairs are spread
evenly over the folder and shrunk; the model sees them whole.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

import cv2
import numpy as np

# The training package, whose data set reader this shares, is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from train.config import Source  # noqa: E402
from train.data import read  # noqa: E402
from uaafusion_ros.engine.backend import load_backend  # noqa: E402
from uaafusion_ros.evaluation.contact_sheet import contact_sheet  # noqa: E402
from uaafusion_ros.evaluation.contact_sheet import Key  # noqa: E402
from uaafusion_ros.evaluation.contact_sheet import Row  # noqa: E402
from uaafusion_ros.imaging.color import overlay  # noqa: E402

COLUMNS = (('thermal', ''), ('rgb', ''), ('fused', ''), ('classes', ''))
WIDTH = 272


def main() -> int:
    """Fuse, shrink, lay out two pairs per row and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--data', type=Path, default=Path('../shared/data/msrs/val'),
                        help='folder with vi/, ir/ and label/ (default: %(default)s)')
    parser.add_argument('--out', type=Path, default=Path('docs/images/fast_val.jpg'))
    parser.add_argument('--pairs', type=int, default=12)
    arguments = parser.parse_args()
    samples = read(Source('msrs', str(arguments.data)))
    chosen = np.linspace(0, len(samples) - 1, arguments.pairs).round().astype(int)
    backend = load_backend()
    cells, names = [], []
    for sample in (samples[k] for k in chosen):
        output = backend.infer(sample.rgb, sample.thermal)
        drawn = overlay(output.fused, output.mask, backend.spec.palette, 0.6)
        height = WIDTH * sample.thermal.shape[0] // sample.thermal.shape[1]
        cells.append([cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
                      for image in (sample.thermal, sample.rgb, output.fused, drawn)])
        names.append(sample.name)
    rows = [Row((*cells[k], *cells[k + 1]), f'{names[k]} (left), {names[k + 1]} (right)')
            for k in range(0, len(cells) - 1, 2)]
    legend = [Key(tuple(int(c) for c in colour), name)
              for name, colour in zip(backend.spec.classes, backend.spec.palette)]
    sheet = contact_sheet(
        f'{backend.spec.preset} on validation pairs, D: day, N: night', COLUMNS * 2, rows, legend,
        ['images: MSRS (L. Tang et al., PIAFusion, 2022), shrunk; model: '
         + backend.spec.sha256[:12]])
    cv2.imwrite(str(arguments.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR),
                [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(f'wrote {arguments.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
