"""
Show why a pair was fused as it was: one figure of attributions, weights, attention and iterates.

The figure shows both sources, the fused image and the classes; w1 and w2, the weights of thermal
and RGB in the data term; the attention map of every stage after the first; the luma after every
stage; and for each class how much either source alone raises its score. Images whose sides are no
multiple of the model's are cut at the right and bottom.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from pathlib import Path

from uaafusion_ros.errors import DatasetError


def add_arguments(parser: ArgumentParser) -> None:
    """Add the pair, the model and where the figure goes."""
    parser.add_argument('--rgb', type=Path, required=True, help='RGB image')
    parser.add_argument('--thermal', type=Path, required=True, help='thermal image')
    parser.add_argument('--out', type=Path, default=Path('explanation.png'),
                        help='figure to write (default: %(default)s)')
    parser.add_argument('--preset', default='fast', help='shipped network (default: %(default)s)')
    parser.add_argument('--model', type=Path, help='ONNX file instead of the shipped one')


def run(options: Namespace) -> int:
    """Explain one pair, write the figure and print the sentences below it."""
    import cv2

    from uaafusion_ros.cli.fuse import read_rgb
    from uaafusion_ros.cli.fuse import read_thermal
    from uaafusion_ros.engine import models
    from uaafusion_ros.engine.explanation import explain
    from uaafusion_ros.evaluation.explanation_sheet import explanation_sheet
    from uaafusion_ros.evaluation.explanation_sheet import table
    from uaafusion_ros.imaging import encodings
    from uaafusion_ros.imaging.thermal import ThermalScaler

    path, pinned = (options.model, None) if options.model else models.shipped(options.preset)
    data, spec = models.load(path, pinned)
    rgb = cv2.cvtColor(read_rgb(options.rgb), cv2.COLOR_BGR2RGB)
    raw, encoding = read_thermal(options.thermal)
    thermal = ThermalScaler().scale(encodings.to_thermal(raw, encoding)).image
    if rgb.shape[:2] != thermal.shape:
        raise DatasetError(f'{options.thermal} is {thermal.shape[1]}x{thermal.shape[0]}, '
                           f'{options.rgb} {rgb.shape[1]}x{rgb.shape[0]}; register them first')
    height, width = (n // spec.multiple * spec.multiple for n in thermal.shape)
    if not height or not width:
        raise DatasetError(f'{options.rgb}: smaller than {spec.multiple} pixels')
    rgb, thermal = rgb[:height, :width], thermal[:height, :width]
    found = explain(data, rgb, thermal)
    sheet = explanation_sheet(found, rgb, thermal, spec)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(options.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise DatasetError(f'{options.out} cannot be written; check its name and the free space')
    print(*table(found, spec.classes), f'wrote {options.out}', sep='\n')
    return 0
