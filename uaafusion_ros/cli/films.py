"""Films as input: unpacked into numbered images, which the verbs then read like any others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import sys
import tempfile

from uaafusion_ros.errors import DatasetError

SUFFIXES = ('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm')

_GRAY16 = b'Y1\0\x10'  # FFmpeg's tag of gray16le
_CUT = 0.9             # of the images that the film's header promises


def is_film(path: Path) -> bool:
    """Return whether a path is a file with the suffix of a film."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


@contextmanager
def unpacked(sources: dict[str, Path], beside: Path) -> Iterator[tuple[dict[str, Path], float]]:
    """
    Give a folder for each source that is a film, itself for any other, and the films' rate.

    `sources` maps cameras to paths. The folders lie in `beside`, hold one PNG per image, named by
    its number, and are removed in the end; the rate (images a second) is 0 without films. Raises
    DatasetError for a film that cannot be read, and for films of different rates.
    """
    films = {camera: path for camera, path in sources.items() if is_film(path)}
    if not films:
        yield sources, 0.0
        return
    rates = {path: _opened(path)[1] for path in films.values()}
    if max(rates.values()) > 1.01 * min(rates.values()):
        said = ' and '.join(f'{path} {rate:g}' for path, rate in rates.items())
        raise DatasetError(f'the films have different numbers of images a second ({said}), so '
                           'images of one number are not of one moment; bring both to one rate')
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.films-', dir=beside) as folder:
        found = dict(sources)
        for camera, path in films.items():
            found[camera] = Path(folder) / camera / path.name
            found[camera].mkdir(parents=True)
            _unpack(path, found[camera])
        yield found, max(rates.values())


def _opened(path: Path):
    """Return cv2's capture of a film, and its rate."""
    # What FFmpeg and OpenCV would print of a damaged film is said by the error.
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    import cv2

    from uaafusion_ros.imaging.quiet_opencv import quiet_opencv

    settings: list[int] = []
    # OpenCV takes names in UTF-8 only; any other file is reached by its descriptor.
    with path.open('rb') as file, quiet_opencv():
        for _ in range(2):
            capture = cv2.VideoCapture(
                f'/proc/self/fd/{file.fileno()}', cv2.CAP_FFMPEG, settings)
            kind = int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) if capture.isOpened() else 0
            if kind.to_bytes(4, 'little', signed=kind < 0) != _GRAY16 or settings:
                break
            settings = [cv2.CAP_PROP_CONVERT_RGB, 0]  # else 16 bits would become 8
        rate = capture.get(cv2.CAP_PROP_FPS) if capture.isOpened() else 0.0
    if not rate > 0:
        raise DatasetError(f'{path} cannot be read as a film; it may be cut off: copy it again')
    return capture, rate


def _unpack(path: Path, folder: Path) -> None:
    import cv2

    from uaafusion_ros.cli.outputs import write_image

    capture, _ = _opened(path)
    promised, number = capture.get(cv2.CAP_PROP_FRAME_COUNT), 0
    while True:
        there, image = capture.read()
        if not there:
            break
        write_image(folder / f'{number:06}.png', image)
        number += 1
    if not number:
        raise DatasetError(f'no image of the film {path} can be read; it may be cut off')
    if number < _CUT * promised:
        print(f'{path}: {number} of {promised:.0f} images could be read, the film is cut off or '
              'damaged', file=sys.stderr)
