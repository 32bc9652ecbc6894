"""
Fuse and segment two folders of images, or an image or a film of each camera, no ROS needed.

Images with equal stems (rgb/a.jpg, thermal/a.png) are a pair, and those of films with equal
numbers; both must lie on one pixel grid.
Per pair, OUT gets <stem>.png (fused, colour) and <stem>_mask.png (class ids, 8 bits), where
<stem> is that of the RGB image. docs/inputs.md says which images are taken.

Exit code: 0 if every image was fused, 1 if a pair failed or an image had no partner (the other
pairs are fused all the same), 2 if nothing could be started or no pair could be fused.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from pathlib import Path
import sys
import time
from typing import TYPE_CHECKING

from uaafusion_ros.cli.arguments import add_model_arguments
from uaafusion_ros.cli.arguments import add_roles_argument
from uaafusion_ros.cli.films import unpacked
from uaafusion_ros.cli.findings import Findings
from uaafusion_ros.cli.outputs import check_apart
from uaafusion_ros.cli.outputs import check_folder
from uaafusion_ros.cli.outputs import write_image
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.errors import UaafusionError

if TYPE_CHECKING:
    from uaafusion_ros import FusionPipeline


def add_arguments(parser: ArgumentParser) -> None:
    """Add the folders and what does the work."""
    parser.add_argument('--rgb', type=Path, required=True,
                        help='folder of RGB images, an image, or a film')
    parser.add_argument('--thermal', type=Path, required=True,
                        help='folder of thermal images, an image, or a film')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    add_roles_argument(parser)
    add_model_arguments(parser)


def run(options: Namespace) -> int:
    """Fuse every pair; see the text of the module for the exit codes."""
    with unpacked({'rgb': options.rgb, 'thermal': options.thermal}, options.out) as (found, _):
        return fuse_all(Namespace(**{**vars(options), **found}))


def fuse_all(options: Namespace) -> int:
    """Fuse every pair of two folders or files; returns the exit code."""
    import numpy as np
    from tqdm import tqdm

    from uaafusion_ros import load
    from uaafusion_ros.imaging.folders import match

    pairs, lonely = match(options.rgb, options.thermal)
    check_outputs(options, pairs)
    for path in lonely:
        print(f'{path} has no partner in the other folder', file=sys.stderr)
    pipeline = load(options.preset, backend=options.backend)
    took_ms: list[float] = []
    failed, findings = 0, Findings()
    try:
        for rgb_path, thermal_path in tqdm(pairs, desc='fusing', unit='pair'):
            start = time.perf_counter()
            try:
                fuse_pair(pipeline, rgb_path, thermal_path, options, findings)
                took_ms.append((time.perf_counter() - start) * 1e3)
            except UaafusionError as error:
                failed += 1
                tqdm.write(f'{rgb_path.stem}: {error}', file=sys.stderr)
    finally:
        pipeline.backend.close()
    findings.report()
    speed = f', {np.median(took_ms):.0f} ms per pair (median)' if took_ms else ''
    print(f'fused {len(took_ms)} of {len(pairs)} pairs, {failed} failed, {len(lonely)} images '
          f'without a partner{speed}; results in {options.out}')
    if not took_ms:
        return 2
    return 1 if failed or lonely else 0


def check_outputs(options: Namespace, pairs: list[tuple[Path, Path]]) -> None:
    """Make the folder OUT; raises DatasetError if a result would overwrite an input or another."""
    stems = {rgb.stem for rgb, _ in pairs}
    for stem in sorted(stems):
        if f'{stem}_mask' in stems:
            raise DatasetError(
                f'the mask of {stem} and the fused image of {stem}_mask would both be '
                f'{stem}_mask.png; rename one of them')
    for folder in (options.rgb, options.thermal):
        if folder.is_dir() and options.out.resolve() == folder.resolve():
            raise DatasetError(f'--out {options.out} is an input folder; name another one')
    results = [options.out / name for stem in stems
               for name in (f'{stem}.png', f'{stem}_mask.png')]
    check_apart(results, [path for pair in pairs for path in pair])
    check_folder(options.out)


def fuse_pair(pipeline: FusionPipeline, rgb_path: Path, thermal_path: Path,
              options: Namespace, findings: Findings) -> None:
    """Read, fuse and write one pair; raises UaafusionError."""
    import cv2

    from uaafusion_ros.imaging.files import read_rgb
    from uaafusion_ros.imaging.files import read_thermal

    rgb = read_rgb(rgb_path, options.force_roles)
    thermal = read_thermal(thermal_path, options.force_roles)
    findings.add(thermal_path, thermal.findings)
    if rgb.shape[:2] != thermal.array.shape:
        raise RegistrationError(
            f'{thermal_path} is {_size(thermal.array)}, {rgb_path} is {_size(rgb)}; both must lie '
            'on one pixel grid: register them and crop or scale one to the other')
    result = pipeline.fuse(rgb, thermal.array)
    write_image(options.out / f'{rgb_path.stem}.png',
                cv2.cvtColor(result.fused, cv2.COLOR_RGB2BGR))
    write_image(options.out / f'{rgb_path.stem}_mask.png', result.mask)


def _size(image) -> str:
    return f'{image.shape[1]}x{image.shape[0]}'
