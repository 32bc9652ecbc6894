"""
Fuse and segment two folders of images, no ROS needed.

Images with equal stems (rgb/a.jpg, thermal/a.png) are a pair; both must lie on one pixel grid.
Per pair, OUT gets <stem>.png (fused, colour) and <stem>_mask.png (class ids, 8 bits).
Thermal images have one channel of 8 or 16 bits, or float; RGB images may be gray.

Exit code: 0 if every image was fused, 1 if a pair failed or an image had no partner (the other
pairs are fused all the same), 2 if nothing could be started.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import Namespace
from pathlib import Path
import sys
import time

from uaafusion_ros.cli.arguments import add_model_arguments
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import RegistrationError
from uaafusion_ros.errors import UaafusionError

SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')

# Mean difference between the channels of a gray image, after lossy compression, stays below.
_GRAY_SPREAD = 4.0


def add_arguments(parser: ArgumentParser) -> None:
    """Add the folders and what does the work."""
    parser.add_argument('--rgb', type=Path, required=True, help='folder of RGB images')
    parser.add_argument('--thermal', type=Path, required=True, help='folder of thermal images')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    add_model_arguments(parser)


def run(options: Namespace) -> int:
    """Fuse every pair; see the text of the module for the exit codes."""
    import numpy as np
    from tqdm import tqdm

    from uaafusion_ros.engine.loading import load_backend

    pairs, lonely = match(list_images(options.rgb), list_images(options.thermal))
    check_outputs(options, [rgb.stem for rgb, _ in pairs])
    for path in lonely:
        print(f'{path} has no partner in the other folder', file=sys.stderr)
    if not pairs:
        raise DatasetError(
            f'no image of {options.rgb} has the stem of one of {options.thermal}; '
            'name both files of a pair alike')
    backend = load_backend(preset=options.preset, backend=options.backend)
    took_ms: list[float] = []
    failed = 0
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for rgb_path, thermal_path in tqdm(pairs, desc='fusing', unit='pair'):
            start = time.perf_counter()
            try:
                fuse_pair(backend, rgb_path, thermal_path, options.out)
                took_ms.append((time.perf_counter() - start) * 1e3)
            except UaafusionError as error:
                failed += 1
                tqdm.write(f'{rgb_path.stem}: {error}', file=sys.stderr)
    finally:
        backend.close()
    speed = f', {np.median(took_ms):.0f} ms per pair (median)' if took_ms else ''
    print(f'fused {len(took_ms)} of {len(pairs)} pairs, {failed} failed, {len(lonely)} images '
          f'without a partner{speed}; results in {options.out}')
    return 1 if failed or lonely else 0


def list_images(folder: Path) -> dict[str, Path]:
    """
    List a folder's images by stem, sorted.

    Raises DatasetError if the folder is missing or empty, or if two files share a stem.
    """
    if not folder.is_dir():
        raise DatasetError(f'there is no folder {folder}')
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in images:
            raise DatasetError(
                f'{images[path.stem]} and {path} share a stem; keep one of them')
        images[path.stem] = path
    if not images:
        raise DatasetError(f'{folder} holds no image; accepted are {", ".join(SUFFIXES)}')
    return images


def match(rgb: dict[str, Path],
          thermal: dict[str, Path]) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Return the pairs (rgb, thermal) of equal stems, and the files without a partner."""
    pairs = [(rgb[stem], thermal[stem]) for stem in rgb if stem in thermal]
    lonely = [rgb[stem] for stem in rgb if stem not in thermal]
    lonely += [thermal[stem] for stem in thermal if stem not in rgb]
    return pairs, lonely


def check_outputs(options: Namespace, stems: list[str]) -> None:
    """Raise DatasetError if a result would overwrite an input or another pair's result."""
    for folder in (options.rgb, options.thermal):
        if options.out.resolve() == folder.resolve():
            raise DatasetError(f'--out {options.out} is an input folder; name another one')
    taken = set(stems)
    for stem in stems:
        if f'{stem}_mask' in taken:
            raise DatasetError(
                f'the mask of {stem} and the fused image of {stem}_mask would both be '
                f'{stem}_mask.png; rename one of them')


def fuse_pair(backend, rgb_path: Path, thermal_path: Path, out: Path) -> None:
    """Read, fuse and write one pair; raises UaafusionError."""
    import cv2

    from uaafusion_ros.frames import Frame
    from uaafusion_ros.frames import FramePair
    from uaafusion_ros.pipeline import FusionPipeline

    rgb = read_rgb(rgb_path)
    thermal, encoding = read_thermal(thermal_path)
    if rgb.shape[:2] != thermal.shape:
        raise RegistrationError(
            f'{thermal_path} is {_size(thermal)}, {rgb_path} is {_size(rgb)}; both must lie on '
            'one pixel grid: register them and crop or scale one to the other')
    pair = FramePair(
        thermal=Frame(thermal, 0, 'thermal', encoding), rgb=Frame(rgb, 0, 'rgb', 'bgr8'))
    # A pipeline of its own: what it learns from a thermal stream must not pass between stills.
    result = FusionPipeline(backend).process(pair)
    for path, image in (
            (out / f'{rgb_path.stem}.png', cv2.cvtColor(result.fused, cv2.COLOR_RGB2BGR)),
            (out / f'{rgb_path.stem}_mask.png', result.mask)):
        if not cv2.imwrite(str(path), image):
            raise DatasetError(f'{path} cannot be written; check the folder and the free space')


def read_rgb(path: Path):
    """Read an image as uint8 HxWx3 BGR, gray ones with three equal channels."""
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise EncodingError(f'{path} is no readable image')
    return image


def read_thermal(path: Path):
    """
    Read a thermal image; returns (HxW, encoding) of mono8, mono16 or 32FC1.

    Three nearly equal channels, as gray images are often stored, are taken as one. Raises
    EncodingError for a false-colour image, whose colours hide the temperatures.
    """
    import cv2
    import numpy as np

    image = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    if image is None:
        raise EncodingError(f'{path} is no readable image')
    if image.ndim == 3:
        spread = np.ptp(image.astype(np.float32), axis=2).mean()
        if spread > _GRAY_SPREAD * (257.0 if image.dtype == np.uint16 else 1.0):
            raise EncodingError(
                f'{path} is coloured; a thermal image needs one channel of intensities, so '
                'export it as gray')
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    encoding = {'uint8': 'mono8', 'uint16': 'mono16', 'float32': '32FC1'}.get(image.dtype.name)
    if encoding is None:
        raise EncodingError(
            f'{path} holds {image.dtype.name} pixels; accepted are uint8, uint16 and float32')
    return image, encoding


def _size(image) -> str:
    return f'{image.shape[1]}x{image.shape[0]}'
