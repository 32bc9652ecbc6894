"""Results of verbs: checked before the work, written whole or not at all, never over an input."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import tempfile

from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.evaluation.files import write_bytes


def check_folder(out: Path) -> None:
    """Make the folder for results; raises DatasetError where that cannot be or is a file."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f'--out {out} cannot be a folder ({error.strerror}); name another one') from error
    if not os.access(out, os.W_OK):
        raise DatasetError(f'nothing may be written into --out {out}; name another folder')


def check_apart(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise DatasetError if a result would overwrite an input, by whatever name or link."""
    read = {_identity(path): path for path in inputs}
    for path in outputs:
        if _identity(path) in read:
            raise DatasetError(f'{path} would overwrite the input {read[_identity(path)]}; name '
                               'another --out')


def check_new(path: Path) -> None:
    """Raise DatasetError unless a file can be a new one in a folder that exists."""
    if path.exists():
        raise DatasetError(f'{path} exists already; name another file or remove it')
    if not path.parent.is_dir():
        raise DatasetError(f'there is no folder {path.parent}')


def check_image_name(out: Path) -> None:
    """Raise DatasetError unless a picture can be written under this name."""
    import cv2

    if out.is_dir():
        raise DatasetError(f'--out {out} is a folder; name a file, such as {out / "figure.png"}')
    if not out.suffix or not cv2.haveImageWriter(f'a{out.suffix}'):
        raise DatasetError(f'--out {out} is no name of a picture; let it end in .png or .jpg')


def write_image(path: Path, image) -> None:
    """Write uint8 pixels in OpenCV's order of channels, whole or not at all."""
    import cv2

    done, data = cv2.imencode(path.suffix, image)
    if not done:
        raise DatasetError(f'{path} cannot be written as {path.suffix}; let it end in .png')
    try:
        write_bytes(path, data.tobytes())
    except OSError as error:
        raise DatasetError(f'{path} cannot be written ({error.strerror}); check the folder and '
                           'the free space') from error


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """
    Give a folder name to make; what is made there becomes `out` at the end, or is removed.

    Raises BagError where `out` exists or its folder cannot be written.
    """
    if os.path.lexists(out):
        raise BagError(f'{out} exists already; name another bag or remove it')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix='.making-', dir=out.parent))
    except OSError as error:
        raise BagError(f'cannot create the bag {out}: {error.strerror}') from error
    try:
        yield draft / out.name
        os.rename(draft / out.name, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _identity(path: Path):
    """Return what two names of one file have in common."""
    try:
        found = path.stat()
    except OSError:
        return path.resolve()
    return found.st_dev, found.st_ino
