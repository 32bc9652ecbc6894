"""
Reads mutated image files from seeds; run by test_fuzzed_files.py in a process of its own.

`python file_fuzz.py FIRST COUNT` prints a line for each file that was taken although its damage
can be told, and for each error that is not typed; at last how many were taken and refused.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from random import Random
import sys
import tempfile
import time
import traceback

import cv2
import numpy as np
from PIL import Image
import tifffile

from uaafusion_ros.errors import UaafusionError
from uaafusion_ros.imaging.files import read_label
from uaafusion_ros.imaging.files import read_rgb
from uaafusion_ros.imaging.files import read_thermal

LONGEST_S = 5.0
READERS = (read_rgb, read_thermal, read_label)
RNG = np.random.default_rng(0)
RGB = cv2.GaussianBlur(RNG.integers(0, 256, (48, 64, 3), np.uint8), (0, 0), 2)
GRAY16 = RGB[..., 0].astype(np.uint16) * 200


def _pillow(array, form, **options):
    file = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(array).save(file, form, exif=exif, **options)
    return file.getvalue()


def _tiff(array, **options):
    file = BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


# Name, file, and whether any changed byte of its pixels can be told: only PNG has checksums.
FILES = (
    ('png', cv2.imencode('.png', RGB)[1].tobytes(), True),
    ('png', cv2.imencode('.png', GRAY16)[1].tobytes(), True),
    ('png', _pillow(RGB, 'png'), True),
    ('jpeg', cv2.imencode('.jpg', RGB)[1].tobytes(), False),
    ('jpeg', cv2.imencode('.jpg', RGB, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(), False),
    ('jpeg', _pillow(RGB, 'jpeg'), False),
    ('tiff', _tiff(GRAY16), False),
    ('tiff', _tiff(RGB, photometric='rgb', compression='zlib'), False),
    ('tiff', cv2.imencode('.tiff', GRAY16)[1].tobytes(), False),
    ('tiff', _tiff(GRAY16.astype(np.float32), tile=(32, 32), byteorder='>'), False),
)


def mutated(seed: int) -> tuple[str, bytes, bytes, bool]:
    """Return container, file, mutated file, and whether the damage can be told."""
    random = Random(seed)
    name, whole, checked = random.choice(FILES)
    kind = random.choice(('cut', 'flip', 'flips', 'drop', 'repeat', 'noise', 'zero', 'head'))
    data = bytearray(whole)
    place = random.randrange(len(data))
    length = random.randint(1, max(1, min(400, len(data) - place)))
    if kind == 'cut':
        data = data[:place]
    elif kind == 'flip':
        data[place] ^= 1 << random.randrange(8)
    elif kind == 'flips':
        for _ in range(random.randint(2, 30)):
            data[random.randrange(len(data))] = random.randrange(256)
    elif kind == 'drop':
        del data[place:place + length]
    elif kind == 'repeat':
        data[place:place] = data[place:place + length]
    elif kind == 'noise':
        data[place:place + length] = random.randbytes(length)
    elif kind == 'zero':
        data[place:place + length] = bytes(length)
    else:
        data[random.randrange(min(80, len(data)))] = random.randrange(256)
    return name, whole, bytes(data), checked or kind == 'cut' and name != 'tiff'


def _whole(reader, path: Path, data: bytes):
    path.write_bytes(data)
    try:
        return reader(path)
    except UaafusionError:
        return None


def main(first: int, count: int) -> None:
    """Read the files of these seeds as every role; print what should not be."""
    taken = refused = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'a.img'
        for seed in range(first, first + count):
            name, whole, data, told = mutated(seed)
            print(seed, file=sys.stderr, flush=True)  # a crash leaves the seed as last word
            for reader in READERS:
                path.write_bytes(data)
                began = time.monotonic()
                try:
                    image = reader(path)
                    taken += 1
                except UaafusionError:
                    refused += 1
                    continue
                except Exception:
                    print(f'seed {seed}, {reader.__name__}: {traceback.format_exc()}')
                    continue
                finally:
                    if time.monotonic() - began > LONGEST_S:
                        print(f'seed {seed}, {reader.__name__}: took too long')
                if told and not np.array_equal(*(
                        getattr(i, 'array', i) for i in (image, _whole(reader, path, whole)))):
                    print(f'seed {seed}, {reader.__name__}: a damaged {name} was taken')
    print(f'{taken} taken, {refused} refused')


if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]))
