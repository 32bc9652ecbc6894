"""
Kinds of image files that people bring, and which of them are taken: add a kind here alone.

Each maker returns the bytes of a file from a scene: `rgb` uint8 HxWx3 (red, green, blue), `heat`
uint8 HxW and `ids` uint8 HxW of class ids 0 to 2.
"""

from __future__ import annotations

from io import BytesIO
import struct

import cv2
import numpy as np
from PIL import Image
import tifffile

from uaafusion_ros.imaging.tiff import READS_BIG

SIZE = (96, 128)
TURNS = {2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
         5: lambda a: np.swapaxes(a, 0, 1), 6: lambda a: np.rot90(a, 1),
         7: lambda a: np.swapaxes(a[::-1, ::-1], 0, 1), 8: lambda a: np.rot90(a, -1)}


def scene():
    """Return rgb, heat and ids of a made-up scene without any symmetry."""
    height, width = SIZE
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x // 8 + y // 8) % 2 * 160], 2)
    heat = 40 + 60 * y // height + 150 * np.exp(
        -((x - width * .7) ** 2 + (y - height * .3) ** 2) / (width * 1.2))
    heat = heat.clip(0, 255).astype(np.uint8)
    return rgb.astype(np.uint8), heat, (heat > 80).astype(np.uint8) + (heat > 120)


RGB, HEAT, IDS = scene()


def coded(array, suffix='.png', *options):
    """Return a file that OpenCV writes of gray, or of red, green, blue and alpha."""
    if array.ndim == 3:
        array = array[..., [2, 1, 0, 3][:array.shape[2]]]
    done, data = cv2.imencode(suffix, np.ascontiguousarray(array), list(options))
    assert done
    return data.tobytes()


def pillow(array, form, mode=None, **options):
    """Return a file that Pillow writes."""
    file = BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(
        np.ascontiguousarray(array), mode)
    image.save(file, form, **options)
    return file.getvalue()


def tiff(array, **options):
    """Return a file that tifffile writes."""
    file = BytesIO()
    tifffile.imwrite(file, np.ascontiguousarray(array), **options)
    return file.getvalue()


def turned(array, form, orientation):
    """Return a file whose pixels are turned and whose tag says how to turn them back."""
    pixels = TURNS[orientation](array)
    if form == 'tiff':
        return tiff(pixels, extratags=[(274, 'H', 1, orientation, True)], metadata=None)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {'webp': {'lossless': True}, 'jpeg': {'quality': 97}}.get(form, {})
    return pillow(pixels, form, exif=exif, **options)


def palette(indices, colours, form='png', **options):
    """Return an image of palette indices."""
    image = Image.frombytes('P', indices.shape[::-1], indices.tobytes())
    image.putpalette(np.uint8(colours).ravel().tolist())
    return pillow(image, form, **options)


def alpha(array, value=255):
    """Add a constant alpha channel (gray becomes gray with alpha)."""
    return np.dstack([array, np.full(array.shape[:2], value, array.dtype)])


def hole(array):
    """Add an alpha channel that hides a part."""
    found = alpha(array)
    found[:9, :9, -1] = 0
    return found


COUNTS = HEAT.astype(np.uint16) * 10 + 29_000
_THREE = np.repeat(HEAT[..., None], 3, 2)
_COLOURS = cv2.applyColorMap(HEAT, cv2.COLORMAP_JET)[..., ::-1]
_ISOTHERM = _THREE.copy()
_ISOTHERM[HEAT > 180] = (255, 40, 0)
_GRAYS = [[k, k, k] for k in range(256)]
_RGBS = {
    'png': (coded(RGB), True),
    'jpeg': (coded(RGB, '.jpg'), True),
    'progressive jpeg': (coded(RGB, '.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1), True),
    'webp': (coded(RGB, '.webp'), True),
    'bmp': (coded(RGB, '.bmp'), True),
    'tiff': (tiff(RGB), True),
    'lzw tiff': (coded(RGB, '.tiff'), True),
    'gray png': (coded(RGB[..., 0]), True),
    'gray jpeg': (coded(RGB[..., 0], '.jpg'), True),
    'png with alpha': (coded(hole(RGB)), True),
    'gray with alpha': (pillow(alpha(RGB[..., 0]), 'png', 'LA'), True),
    '16-bit colour': (coded(RGB.astype(np.uint16) * 257), True),
    '16-bit colour tiff': (tiff(RGB.astype(np.uint16) * 257), True),
    'palette png': (palette(IDS, [[0, 0, 0], [200, 60, 40], [9, 200, 20]]), True),
    'two levels': (pillow(Image.fromarray(RGB).convert('1'), 'png'), True),
    '16-bit gray': (coded(COUNTS), False),
    'float tiff': (tiff(RGB.astype(np.float32), photometric='rgb'), False),
    **{f'{form} turned by {k}': (turned(RGB, form, k), True)
       for form in ('jpeg', 'png', 'webp', 'tiff') for k in (3, 6, 7)},
}
_THERMALS = {
    'png': (coded(HEAT), True),
    '16-bit png': (coded(COUNTS), True),
    'jpeg': (coded(HEAT, '.jpg'), True),
    'bmp': (coded(HEAT, '.bmp'), True),
    'webp': (coded(_THREE, '.webp'), True),
    'three equal channels': (coded(_THREE), True),
    'three channels of jpeg': (coded(_THREE, '.jpg'), True),
    'three equal channels of 16 bits': (coded(np.repeat(COUNTS[..., None], 3, 2)), True),
    'gray with alpha': (pillow(alpha(HEAT), 'png', 'LA'), True),
    'colour with alpha': (coded(alpha(_THREE)), True),
    'partly transparent': (coded(hole(_THREE)), False),
    'wholly transparent': (coded(alpha(_THREE, 0)), False),
    'gray palette': (palette(HEAT, _GRAYS), True),
    'false colours': (coded(_COLOURS), False),
    'false colour palette': (palette(HEAT, cv2.applyColorMap(
        np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]), False),
    'false colours in 16 bits': (coded(_COLOURS.astype(np.uint16) * 257), False),
    'coloured isotherm': (coded(_ISOTHERM), False),
    'uint16 tiff': (tiff(COUNTS), True),
    'big-endian tiff': (tiff(COUNTS, byteorder='>'), True),
    'bigtiff': (tiff(COUNTS, bigtiff=True), READS_BIG),
    'deflate tiff': (tiff(COUNTS, compression='zlib', predictor=True), True),
    'lzw tiff': (coded(COUNTS, '.tiff'), True),
    'tiled tiff': (tiff(COUNTS, tile=(32, 32)), True),
    'int16 tiff': (tiff((COUNTS - 30_000).astype(np.int16)), True),
    # The OpenCV of Ubuntu 22.04 and 24.04 reads no unsigned numbers of 32 bits.
    'uint32 tiff': (tiff(COUNTS.astype(np.uint32)),
                    not cv2.__version__.startswith(('4.5', '4.6'))),
    'uint32 tiff of large numbers': (tiff(COUNTS.astype(np.uint32) * 99_991), False),
    'float32 tiff': (tiff(COUNTS.astype(np.float32) / 100), True),
    'float64 tiff': (tiff(COUNTS / 100.), True),
    'tiff of nothing but NaN': (tiff(np.full(SIZE, np.nan, np.float32)), False),
    'float64 tiff that float32 cannot hold': (tiff(COUNTS / 100. + 1e12), False),
    'tiff of several pages': (tiff(np.stack([COUNTS] * 3), photometric='minisblack'), False),
    'ImageJ stack': (tiff(np.stack([COUNTS] * 3), imagej=True), False),
    'film of png': (pillow(Image.fromarray(HEAT), 'png', save_all=True, append_images=[
        Image.fromarray(HEAT[::-1].copy())]), False),
    'film of webp': (pillow(Image.fromarray(HEAT), 'webp', save_all=True, duration=100,
                            append_images=[Image.fromarray(HEAT[::-1].copy())]), False),
    **{f'{form} turned by {k}': (turned(HEAT, form, k), True)
       for form in ('jpeg', 'png', 'tiff') for k in (2, 3, 4, 5, 6, 7, 8)},
    '16-bit tiff turned': (turned(COUNTS, 'tiff', 6), True),
}
_LABELS = {
    'png': (coded(IDS), True),
    'three equal channels': (coded(np.repeat(IDS[..., None], 3, 2)), True),
    'uint16': (coded(IDS.astype(np.uint16)), True),
    'palette': (palette(IDS, [[0, 0, 0], [200, 60, 40], [250, 220, 20]]), True),
    'palette of one colour': (palette(IDS, [[7, 7, 7]] * 3), True),
    'palette of 2 bits': (palette(IDS, [[0, 0, 0], [1, 2, 3], [9, 9, 9]], bits=2), True),
    'palette bmp': (palette(IDS, [[0, 0, 0], [200, 60, 40], [250, 220, 20]], 'bmp'), True),
    'gray with alpha': (pillow(alpha(IDS), 'png', 'LA'), True),
    'tiff': (tiff(IDS), True),
    'png turned': (turned(IDS, 'png', 6), True),
    'jpeg': (coded(IDS, '.jpg'), False),
    'float': (tiff(IDS.astype(np.float32)), False),
    'other ids': (coded(IDS.astype(np.uint16) + 900), False),
}
_DAMAGED = {
    'empty': b'',
    'text': b'no image at all',
    'AppleDouble': b'\0\5\x16\7\0\2\0\0Mac OS X        ' + bytes(60),
    'Git LFS pointer': b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
    'film': struct.pack('>I', 24) + b'ftypmp42' + bytes(12),
    'cut jpeg': coded(RGB, '.jpg')[:2000],
    'cut jpeg with an end': coded(RGB, '.jpg')[:2000] + b'\xff\xd9',
    'cut progressive jpeg': coded(RGB, '.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1)[:2500],
    'cut png': coded(RGB)[:-40],
    'cut tiff': tiff(HEAT)[:-500],
    'cut lzw tiff': coded(HEAT, '.tiff')[:-500],
    'cut bmp': coded(HEAT, '.bmp')[:-500],
    'cut webp': coded(RGB, '.webp')[:-300],
}
# By camera and kind: the file and whether it is taken.
KINDS = {
    (role, kind): made
    for role, kinds in (('rgb', _RGBS), ('thermal', _THERMALS), ('labels', _LABELS))
    for kind, made in (*kinds.items(), *((kind, (data, False))
                                         for kind, data in _DAMAGED.items()))}
