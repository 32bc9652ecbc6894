"""
Make a rosbag2 bag of the image folders rgb/ and thermal/, and labels/ if there is one.

In the place of a camera's folder may lie a film (rgb.mp4).

Images with equal stems (rgb/a.jpg, thermal/a.png, labels/a.png) belong together; they are played
in the order of their names. Labels are images of class ids; docs/inputs.md says which images are
taken. Topics are /rgb/image_raw,
/thermal/image_raw and /label/image_raw, with camera_info beside the cameras.

Exit code: 0; 1 if an image had no partner (the bag has the others); 2 if there is no bag.
"""

from __future__ import annotations

from argparse import ArgumentParser
from argparse import ArgumentTypeError
from argparse import Namespace
from pathlib import Path
import sys

from uaafusion_ros.cli.arguments import add_roles_argument
from uaafusion_ros.cli.arguments import positive_float
from uaafusion_ros.cli.films import SUFFIXES as FILMS
from uaafusion_ros.cli.films import unpacked
from uaafusion_ros.cli.findings import Findings
from uaafusion_ros.cli.outputs import whole_folder
from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import EncodingError

TOPICS = {'rgb': '/rgb/image_raw', 'thermal': '/thermal/image_raw', 'labels': '/label/image_raw'}
CAMERAS = ('rgb', 'thermal')

_START_NS = 1_700_000_000_000_000_000
_JPEG_QUALITY = 95
_RATE = 10.0


def add_arguments(parser: ArgumentParser) -> None:
    """Add the folder, the bag and its times."""
    parser.add_argument('folder', type=Path, metavar='FOLDER')
    parser.add_argument('--out', type=Path, required=True, metavar='BAG', help='bag to create')
    parser.add_argument(
        '--rate', type=positive_float,
        help='pairs per second (default: 10, or that of the films)')
    parser.add_argument(
        '--jitter-ms', type=_jitter, default=0.0, metavar='MS',
        help='standard deviation of random errors of the thermal stamps (default: none)')
    parser.add_argument('--seed', type=int, default=0, help='of the jitter (default: %(default)s)')
    add_roles_argument(parser)
    for camera in CAMERAS:
        parser.add_argument(
            f'--{camera}-info', type=Path, metavar='YAML',
            help='calibration in camera_info format (default: a pinhole guess)')
    parser.add_argument(
        '--storage', choices=('mcap', 'sqlite3'), default='mcap', help='(default: %(default)s)')
    parser.add_argument(
        '--compressed', action='store_true',
        help='JPEG for RGB, PNG for thermal and labels, instead of raw images')


def run(options: Namespace) -> int:
    """Write the bag; see the text of the module for the exit codes."""
    sources = {kind: _source(options.folder, kind) for kind in TOPICS}
    if sources['labels'] is None:
        del sources['labels']
    with unpacked(sources, options.out.parent) as (found, rate):
        return write(options, found, options.rate or rate or _RATE)


def write(options: Namespace, folders: dict[str, Path], rate: float) -> int:
    """Write the bag from the folders of each kind; returns the exit code."""
    import numpy as np
    from tqdm import tqdm

    from uaafusion_ros.evaluation.bags import BagWriter
    from uaafusion_ros.imaging.folders import list_images

    kinds = list(folders)
    images = {kind: list_images(folder) for kind, folder in folders.items()}
    stems = [stem for stem in images['rgb'] if stem in images['thermal']]
    if not stems:
        raise DatasetError(
            f'no image of {folders["rgb"]} has the stem of one of {folders["thermal"]}; '
            'name both files of a pair alike')
    lonely = [path for kind in kinds for stem, path in images[kind].items() if stem not in stems]
    if 'labels' in images:
        lonely += [images['rgb'][stem] for stem in stems if stem not in images['labels']]
    for path in lonely:
        print(f'{path} has no partner in the other folders', file=sys.stderr)
    images_read = _Reader(options.force_roles)
    calibrations = calibrations_for(options, images_read, {
        camera: images[camera][stems[0]] for camera in CAMERAS})
    late_ns = np.random.default_rng(options.seed).normal(
        0.0, options.jitter_ms * 1e6, len(stems)).round().astype(int).tolist()
    times = [_START_NS + round(number * 1e9 / rate) for number in range(len(stems))]
    with whole_folder(options.out) as folder, BagWriter(folder, storage=options.storage) as bag:
        for stem, stamp_ns, late in zip(tqdm(stems, unit='pair'), times, late_ns):
            for kind in kinds:
                if stem in images[kind]:
                    add(bag, kind, images[kind][stem], images_read,
                        stamp_ns + late * (kind == 'thermal'), calibrations.get(kind),
                        options.compressed)
    images_read.findings.report()
    print(f'{options.out}: {len(stems)} pairs, {len(lonely)} images without a partner')
    return 1 if lonely else 0


def _source(folder: Path, kind: str) -> Path | None:
    """Return the folder of a kind, or the film in its place; None without labels."""
    if (folder / kind).is_dir():
        return folder / kind
    films = [path for path in (folder / f'{kind}{suffix}' for suffix in FILMS) if path.exists()]
    if len(films) > 1:
        raise DatasetError(f'{films[0]} and {films[1]} are both the {kind} film; keep one of them')
    if films and kind in CAMERAS:
        return films[0]
    return None if kind == 'labels' else folder / kind


def calibrations_for(options: Namespace, images_read: _Reader, first: dict[str, Path]) -> dict:
    """Read or guess the calibration of both cameras, saying which."""
    from uaafusion_ros.evaluation.calibration import pinhole_guess
    from uaafusion_ros.evaluation.calibration import read_calibration

    found = {}
    for camera, path in first.items():
        height, width = images_read(camera, path)[0].shape[:2]
        given = getattr(options, f'{camera}_info')
        if given:
            found[camera] = read_calibration(given)
            if (found[camera].width, found[camera].height) != (width, height):
                raise BagError(
                    f'{given} is for {found[camera].width}x{found[camera].height}, {path} is '
                    f'{width}x{height}; give the calibration of this image size')
        else:
            found[camera] = pinhole_guess(width, height)
            print(f'{camera}/camera_info is a guess, not a calibration: a pinhole camera with a '
                  f'focal length of {width} pixels; give --{camera}-info for the real one')
    return found


def add(bag, kind: str, path: Path, images_read: _Reader, stamp_ns: int, calibration,
        compressed: bool) -> None:
    """Add one image, and the camera_info of a camera whose images still have its size."""
    image, encoding = images_read(kind, path)
    topic, frame_id = TOPICS[kind], f'{kind}_optical_frame'
    if kind == 'labels':
        frame_id = 'rgb_optical_frame'
    if compressed:
        data = _jpeg(path, image) if kind == 'rgb' else _png(path, image)
        form = 'jpeg compressed bgr8' if kind == 'rgb' else 'png compressed '
        bag.add_compressed(f'{topic}/compressed', data, f'{encoding}; {form}', stamp_ns, frame_id)
    else:
        bag.add_image(topic, image, encoding, stamp_ns, frame_id)
    height, width = image.shape[:2]
    if calibration and (calibration.width, calibration.height) == (width, height):
        bag.add_camera_info(
            f'/{kind}/camera_info', width, height, stamp_ns, frame_id, calibration)


def _jpeg(path: Path, image) -> bytes:
    """Return a JPEG of blue, green and red: the file itself where that is one, and upright."""
    import cv2

    from uaafusion_ros.imaging.compressed import is_upright_jpeg

    data = path.read_bytes()
    if is_upright_jpeg(data):
        return data
    return cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def _png(path: Path, image) -> bytes:
    import cv2

    if image.dtype == 'float32':
        raise EncodingError(f'{path} holds float pixels, which PNG cannot; leave out --compressed')
    return cv2.imencode('.png', image)[1].tobytes()


class _Reader:
    """Reads the images of each kind as a message has them."""

    def __init__(self, force_roles: bool) -> None:
        self.findings = Findings()
        self._force = force_roles

    def __call__(self, kind: str, path: Path):
        """Return (array, encoding); raises EncodingError."""
        from uaafusion_ros.imaging import files

        if kind == 'rgb':
            return files.read_rgb(path, self._force)[..., ::-1], 'bgr8'
        if kind == 'thermal':
            thermal = files.read_thermal(path, self._force)
            self.findings.add(path, thermal.findings)
            return thermal.array, thermal.encoding
        label = files.read_label(path)
        if label.ndim == 3 and not (label != label[..., :1]).any():
            label = label[..., 0]
        if label.ndim != 2 or label.max() > 255:
            raise EncodingError(
                f'{path} is no image of class ids of 8 bits, which a bag needs; write the ids of '
                'its classes instead of their ' + ('colours' if label.ndim == 3 else 'values'))
        return label.astype('uint8'), 'mono8'


def _jitter(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1000.0:
        raise ArgumentTypeError(f'{text!r} is not a number of milliseconds, 0 to 1000')
    return value
