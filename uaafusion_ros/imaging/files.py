"""
Image files, read in one way by everything that reads any: RGB, thermal and label images.

A new kind of file is a branch of `_pixels`; what is accepted for a role is decided in
`read_rgb`, `read_thermal` and `read_label` alone. Files are told apart by their bytes and opened
by this process, so that any name that the file system allows will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
import stat

import cv2
import numpy as np
from PIL import Image

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging import compressed
from uaafusion_ros.imaging import encodings
from uaafusion_ros.imaging import orientation
from uaafusion_ros.imaging import thermal_checks
from uaafusion_ros.imaging import tiff
from uaafusion_ros.imaging.thermal import percentiles
from uaafusion_ros.imaging.thermal import stretch

_JPEG, _PNG = b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'
_EXACT = 1 << 24       # whole numbers that float32 tells apart
_LOSS = 1 / 65536      # of the span: what rounding float64 to float32 may change
_FORMATS = ('BMP', 'WEBP')
# What has an image's suffix and is none, by its first bytes; (place, bytes, what to say).
_OTHERS = (
    (0, b'\0\5\x16\7', 'is an AppleDouble file, which holds no image; remove it'),
    (0, b'version https://git-lfs', 'is a Git LFS pointer; fetch the image: git lfs pull'),
    (0, b'GIF8', 'is a GIF; write it as PNG'),
    (4, b'ftypheic', 'is a HEIF image; write it as PNG or JPEG'),
    (4, b'ftypavif', 'is an AVIF image; write it as PNG or JPEG'),
    (4, b'ftyp', 'is a film; write its images as files'),
    (0, b'\x1aE\xdf\xa3', 'is a film; write its images as files'),
    (0, b'RIFF', 'is a film; write its images as files'),
)


@dataclass(frozen=True)
class Thermal:
    """
    A thermal image: HxW of mono8, mono16 or 32FC1, as `encoding` says.

    `findings` name what was unusual about it (see `thermal_checks`).
    """

    array: np.ndarray
    encoding: str
    findings: tuple[thermal_checks.Finding, ...] = ()


def read_rgb(path: Path, force: bool = False) -> np.ndarray:
    """
    Read a visible image as uint8 HxWx3 (red, green, blue), gray ones with three equal channels.

    16-bit colour becomes 8 by the fixed factor 255/65535; alpha is dropped. Raises EncodingError
    for what cannot be read, and for 16-bit gray, float and other pixels without a defined range,
    which thermal cameras send: with `force` they are stretched between their percentiles.
    """
    image = _read(path)
    if image.ndim == 2 and image.dtype not in (np.uint8, np.bool_):
        if not force:
            raise EncodingError(
                f'{path} has one channel of {image.dtype}, as thermal images have; if the two '
                'cameras are exchanged, give them the other way round; if it is the visible '
                'image, --force-roles takes it as that')
        image = _stretched(_one_channel(path, image))
    if image.dtype not in (np.uint8, np.uint16):
        raise EncodingError(f'{path} has {_channels(image)} channels of {image.dtype}; an RGB '
                            'image has uint8, or uint16 in colour')
    name = {1: 'mono', 3: 'rgb', 4: 'rgb'}[_channels(image)]
    image = np.ascontiguousarray(image[..., :3] if image.ndim == 3 else image)
    return encodings.to_rgb8(image, f'{name}{image.dtype.itemsize * 8}')


def read_thermal(path: Path, force: bool = False) -> Thermal:
    """
    Read a thermal image of one channel; three nearly equal ones are taken as one.

    uint8, uint16 and float32 keep their values. Other integers and float64 become uint16 or
    float32 where nothing is lost, else they are refused, as is a partly transparent image, one
    without a finite value, and one in false colours, whose luma is taken with `force`. Raises
    EncodingError.
    """
    image = _read(path, thermal=True)
    if image.ndim == 3 and image.shape[2] == 4:
        if not _is_opaque(image):
            raise EncodingError(f'{path} has 4 channels of {image.dtype} and is transparent in '
                                'part; a thermal image needs every pixel: export it without alpha')
        image = image[..., :3]
    if image.ndim == 3:
        if image.dtype not in (np.uint8, np.uint16):
            raise EncodingError(f'{path} has {_channels(image)} channels of {image.dtype}; a '
                                'thermal image has one')
        if not force and thermal_checks.is_coloured(image):
            raise EncodingError(
                f'{path} is coloured; a thermal image needs one channel of intensities, so '
                'export it as gray (white hot); if the two cameras are exchanged, give them the '
                'other way round; --force-roles takes its brightness for heat')
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    array, findings = thermal_checks.examine(_one_channel(path, image))
    if array.dtype == np.float32 and not np.isfinite(array).any():
        raise EncodingError(f'{path} has no finite value (all are NaN or infinite), so it shows '
                            'nothing; leave the pair out, or export the temperatures again')
    encoding = {'uint8': 'mono8', 'uint16': 'mono16', 'float32': '32FC1'}[array.dtype.name]
    return Thermal(array, encoding, findings)


def read_stack(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a four-channel image as RGB (uint8 HxWx3) and thermal (uint8 HxW)."""
    image = _read(path)
    if _channels(image) != 4 or image.dtype != np.uint8:
        raise EncodingError(f'{path}: {_channels(image)} channels of {image.dtype}; accepted are '
                            'four of uint8: red, green, blue and thermal')
    return np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3])


def read_label(path: Path) -> np.ndarray:
    """
    Read a label image: HxW of values (uint8 or uint16) or uint8 HxWx3 of colours.

    Of a palette image the indices are the values, as annotation tools write class ids; opaque
    alpha is dropped. Raises EncodingError for what cannot be read, for other pixels, and for
    JPEG, which alters ids.
    """
    data = _bytes(path)
    if data.startswith(_JPEG):
        raise EncodingError(f'{path} is a JPEG, which alters class ids; write labels as PNG')
    image = _decoded(path, data)
    indices = _indices(data)
    image = image if indices is None else indices
    if image.ndim == 3 and image.shape[2] == 4 and _is_opaque(image):
        image = image[..., :3]
    if image.dtype == np.bool_:
        image = image.astype(np.uint8)
    if image.dtype not in (np.uint8, np.uint16) or image.ndim == 3 and (
            image.shape[2] != 3 or image.dtype != np.uint8):
        raise EncodingError(
            f'{path}: {_channels(image)} channels of {image.dtype}; a label image has one channel '
            'of class ids or three of class colours, 8 bits each')
    return np.ascontiguousarray(image)


def _read(path: Path, thermal: bool = False) -> np.ndarray:
    image = _decoded(path, data := _bytes(path))
    if thermal and compressed.is_radiometric(data):
        raise EncodingError(
            f'{path} is a FLIR radiometric JPEG, whose picture is not its heat; extract the '
            'thermal image as TIFF or PNG, for example with exiftool -b -RawThermalImage')
    return image


def _bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise EncodingError(f'{path} is no file')
        return path.read_bytes()
    except OSError as error:
        raise EncodingError(f'{path} cannot be read: {error.strerror}') from error


def _decoded(path: Path, data: bytes) -> np.ndarray:
    try:
        return _pixels(data)
    except EncodingError as error:
        raise EncodingError(f'{path} is no readable image: {error}') from error


def _pixels(data: bytes) -> np.ndarray:
    """Return upright pixels, HxW, HxWx3 or HxWx4 (red, green, blue, alpha), of any dtype."""
    if data.startswith((_JPEG, _PNG)):
        compressed.inspect(data, '')
        image = compressed.pixels(data)
    elif data.startswith(tiff.MAGIC):
        image = tiff.read(data, encodings.MAX_PIXELS)
    elif data[:2] == b'BM' or data[:4] == b'RIFF' and data[8:12] == b'WEBP':
        return _pillow(data)
    else:
        for place, start, what in _OTHERS:
            if data[place:place + len(start)] == start:
                raise EncodingError(f'it {what}')
        found = f'begins with {data[:4].hex(" ")}' if data else 'is empty'
        raise EncodingError(f'it {found}; accepted are PNG, JPEG, TIFF, WebP and BMP')
    if image.ndim == 3:
        order = {2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.shape[2]]
        image = image[..., order]
    return image


def _pillow(data: bytes) -> np.ndarray:
    try:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            if getattr(image, 'n_frames', 1) > 1:
                raise EncodingError('it is a film; write each image as a file of its own')
            if image.width * image.height > encodings.MAX_PIXELS:
                raise EncodingError(f'it has more than {encodings.MAX_PIXELS} pixels')
            image.load()
            if image.mode not in ('L', 'RGB', 'RGBA'):
                image = image.convert('RGBA' if 'transparency' in image.info else 'RGB')
            array = np.asarray(image)
    except EncodingError:
        raise
    except Exception as error:  # Pillow raises what its parsers stumble over
        raise EncodingError(f'it is damaged ({error}); copy it again') from error
    return orientation.upright(array, orientation.of_file(data))


def _indices(data: bytes) -> np.ndarray | None:
    """Return the palette indices (uint8 HxW) of a readable image, or None if it has none."""
    try:
        with Image.open(BytesIO(data)) as image:
            if image.mode != 'P':
                return None
            indices = np.asarray(image)
    except Exception:  # Pillow does not know the format, which then has no palette
        return None
    return orientation.upright(indices, orientation.of_file(data))


def _one_channel(path: Path, image: np.ndarray) -> np.ndarray:
    """Return HxW of any dtype as uint8, uint16 or float32; raises EncodingError if that loses."""
    if image.dtype in (np.uint8, np.uint16, np.float32):
        return image
    if image.dtype == np.bool_:
        return image.astype(np.uint8) * 255
    if image.dtype.kind in 'iu':
        low, high = int(image.min()), int(image.max())
        if 0 <= low and high < 65536:
            return image.astype(np.uint16)
        if max(-low, high) <= _EXACT:
            return image.astype(np.float32)
        raise EncodingError(f'{path} holds {image.dtype} from {low} to {high}, of which float32 '
                            'would lose digits; export counts of 16 bits or float32')
    finite = image[np.isfinite(image)]
    with np.errstate(over='ignore'):
        narrow = image.astype(np.float32)
    span = float(np.ptp(finite)) if finite.size else 0.0
    lost = np.abs(finite - narrow[np.isfinite(image)].astype(image.dtype))
    if finite.size and not lost.max() <= _LOSS * span:
        raise EncodingError(f'{path} holds {image.dtype} of which float32 would lose digits; '
                            'subtract an offset or export float32')
    return narrow


def _stretched(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    image = np.nan_to_num(image) if image.dtype == np.float32 else image
    return stretch(image, *(percentiles(image.ravel(), 0.5, 99.5) or (0.0, 0.0)))


def _is_opaque(image: np.ndarray) -> bool:
    return image.dtype.kind == 'u' and bool(
        (image[..., 3] == np.iinfo(image.dtype).max).all())


def _channels(image: np.ndarray) -> int:
    return 1 if image.ndim == 2 else image.shape[2]
