"""
Show why a pair was fused as it was: one figure of information, weights, targets and iterates.

The figure shows both sources, the fused image and the classes; how much either source alone tells
of every place; w1, the weight of thermal in the data term, RGB having the rest; where the network
sees a target whose contrast it keeps; and the luma after every stage. A sentence per class sums
them up. Images whose sides are no multiple of the model's are cut at the right and bottom.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from pathlib import Path

from uaafusion_ros.cli.arguments import add_roles_argument
from uaafusion_ros.cli.findings import Findings
from uaafusion_ros.cli.outputs import check_apart
from uaafusion_ros.cli.outputs import check_folder
from uaafusion_ros.cli.outputs import check_image_name
from uaafusion_ros.cli.outputs import write_image
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import ModelFileError


def add_arguments(parser: ArgumentParser) -> None:
    """Add the pair, the model and where the figure goes."""
    parser.add_argument('--rgb', type=Path, required=True, help='RGB image')
    parser.add_argument('--thermal', type=Path, required=True, help='thermal image')
    parser.add_argument('--out', type=Path, default=Path('explanation.png'),
                        help='figure to write (default: %(default)s)')
    add_roles_argument(parser)
    parser.add_argument('--preset', default='fast', help='shipped network (default: %(default)s)')
    parser.add_argument('--model', type=Path, help='ONNX file instead of the shipped one, or a '
                        'checkpoint (.safetensors; needs PyTorch)')


def run(options: Namespace) -> int:
    """Explain one pair, write the figure and print the sentences below it."""
    import cv2

    from uaafusion_ros.engine.loading import load_explainer
    from uaafusion_ros.evaluation.explanation_sheet import explanation_sheet
    from uaafusion_ros.evaluation.explanation_sheet import table
    from uaafusion_ros.imaging.files import read_rgb
    from uaafusion_ros.imaging.files import read_thermal
    from uaafusion_ros.imaging.thermal import ThermalScaler

    check_image_name(options.out)
    check_apart([options.out], [options.rgb, options.thermal])
    check_folder(options.out.parent)
    rgb = read_rgb(options.rgb, options.force_roles)
    found = read_thermal(options.thermal, options.force_roles)
    findings = Findings()
    findings.add(options.thermal, found.findings)
    findings.report()
    thermal = ThermalScaler().scale(found.array).image
    if rgb.shape[:2] != thermal.shape:
        raise DatasetError(f'{options.thermal} is {thermal.shape[1]}x{thermal.shape[0]}, '
                           f'{options.rgb} {rgb.shape[1]}x{rgb.shape[0]}; register them first')
    path, pinned = (options.model, None) if options.model else _shipped(options.preset)
    explain, spec = load_explainer(path, pinned)
    explanation = explain(rgb, thermal)
    height, width = explanation.output.mask.shape
    sheet = explanation_sheet(explanation, rgb[:height, :width], thermal[:height, :width], spec)
    write_image(options.out, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    print(*table(explanation, spec.classes), f'wrote {options.out}', sep='\n')
    return 0


def _shipped(preset: str) -> tuple[Path, str]:
    """Return the model of a preset or, of one that cannot be a model, its weights."""
    from uaafusion_ros.engine import models

    try:
        return models.shipped(preset)
    except ModelFileError as error:
        try:
            return models.shipped_weights(preset)
        except ModelFileError:
            raise error from None
