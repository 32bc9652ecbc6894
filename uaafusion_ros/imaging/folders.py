"""Which files of two folders are the images of one pair: by name, in either Unicode spelling."""

from __future__ import annotations

from pathlib import Path
import unicodedata

from uaafusion_ros.errors import DatasetError

SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff')


def list_images(folder: Path) -> dict[str, Path]:
    """
    List a folder's images by `stem_of`, in the order of their names; hidden files are left out.

    Raises DatasetError if the folder is missing or holds no image, or if two files share a stem.
    """
    if not folder.is_dir():
        raise DatasetError(f'there is no folder {folder}')
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not is_image_name(path) or path.is_dir():
            continue
        stem = stem_of(path)
        if stem in images:
            raise DatasetError(f'{images[stem]} and {path} share a stem; keep one of them')
        images[stem] = path
    if not images:
        raise DatasetError(f'{folder} holds no image; accepted are {", ".join(SUFFIXES)}')
    return images


def is_image_name(path: Path) -> bool:
    """Return whether a name has an image's suffix and is not hidden (AppleDouble's ._x is)."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith('.')


def stem_of(path: Path) -> str:
    """Return what names of one pair have in common: the stem, in one Unicode spelling (NFC)."""
    return unicodedata.normalize('NFC', path.stem)


def match(rgb: Path, thermal: Path) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """
    Return the pairs (rgb, thermal) of two folders, and the files without a partner.

    Two files are one pair, whatever their names. Raises DatasetError as `list_images` does, for a
    file beside a folder, and where no two names are alike.
    """
    if rgb.is_file() and thermal.is_file():
        return [(rgb, thermal)], []
    for one, other in ((rgb, thermal), (thermal, rgb)):
        if one.is_file() and other.is_dir():
            raise DatasetError(f'{one} is a file and {other} a folder; give two folders, or one '
                               'image of each camera')
    found = list_images(rgb), list_images(thermal)
    pairs = [(path, found[1][stem]) for stem, path in found[0].items() if stem in found[1]]
    if not pairs:
        raise DatasetError(f'no image of {rgb} has the stem of one of {thermal}; name both files '
                           'of a pair alike')
    return pairs, [path for ours, others in (found, found[::-1])
                   for stem, path in ours.items() if stem not in others]
