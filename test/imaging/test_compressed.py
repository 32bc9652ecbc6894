"""JPEG and PNG as cameras send them, and as networks and attackers break them."""

import struct
import sys
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging import compressed

RNG = np.random.default_rng(5)
SMOOTH = cv2.GaussianBlur(RNG.integers(0, 256, (48, 64, 3), np.uint8), (0, 0), 3)


def pack(array, suffix, *options):
    done, data = cv2.imencode(suffix, array, list(options))
    assert done
    return data.tobytes()


JPEGS = {
    'baseline': pack(SMOOTH, '.jpg'),
    'gray': pack(SMOOTH[..., 0], '.jpg'),
    'restarts': pack(SMOOTH, '.jpg', cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    'progressive': pack(SMOOTH, '.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
}


def taken(data, image_format='', **limits):
    """Inspect, then decode."""
    packed = compressed.inspect(data, image_format, **limits)
    array, encoding = compressed.decode(data, packed.encoding)
    assert array.shape[:2] == (packed.height, packed.width)
    return array, encoding


@pytest.mark.parametrize('array, encoding', [
    (SMOOTH[..., 0], 'mono8'), (SMOOTH, 'bgr8'), (np.dstack((SMOOTH, SMOOTH[..., 0])), 'bgra8'),
    (RNG.integers(0, 65536, (5, 7), np.uint16), 'mono16'),
    (RNG.integers(0, 65536, (5, 7, 3), np.uint16), 'bgr16')])
def test_png_keeps_every_value(array, encoding):
    got, name = taken(pack(array, '.png'), 'whatever; png compressed ')
    np.testing.assert_array_equal(got, array)
    assert name == encoding and got.dtype == array.dtype


@pytest.mark.parametrize('kind', JPEGS)
def test_jpeg_of_every_kind_is_read(kind):
    array, encoding = taken(JPEGS[kind], 'jpeg')
    assert encoding == ('mono8' if kind == 'gray' else 'bgr8')
    expected = SMOOTH[..., 0] if kind == 'gray' else SMOOTH
    assert np.abs(array.astype(int) - expected).mean() < 4
    assert compressed.is_compressed(compressed.inspect(JPEGS[kind], '').encoding)
    assert not compressed.is_compressed('rgb8')


def test_a_mosaic_keeps_its_name():
    array, encoding = taken(pack(SMOOTH[..., 0], '.png'), 'bayer_rggb8; png compressed ')
    assert encoding == 'bayer_rggb8' and array.ndim == 2
    assert taken(pack(SMOOTH, '.png'), 'bayer_rggb8; png compressed bgr8')[1] == 'bgr8'


def bomb(width, height):
    """Return a PNG of valid checksums that claims a size and holds almost nothing."""
    def chunk(kind, data):
        return (struct.pack('>I', len(data)) + kind + data
                + struct.pack('>I', zlib.crc32(kind + data)))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0,
                                                               0, 0, 0))
            + chunk(b'IDAT', zlib.compress(bytes(1000))) + chunk(b'IEND', b''))


def huge_jpeg(width, height):
    data = bytearray(JPEGS['baseline'])
    place = data.index(b'\xff\xc0')
    data[place + 5:place + 9] = struct.pack('>HH', height, width)
    return bytes(data)


@pytest.mark.parametrize('data', [bomb(10_000, 10_000), huge_jpeg(10_000, 10_000),
                                  bomb(2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_unpacked(data, monkeypatch):
    """The limit holds for what the header claims, and the decoder is never asked."""
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('decoded'))
    tracemalloc.start()
    try:
        with pytest.raises(EncodingError, match='more than 16000000 pixels.*raise the limit'):
            compressed.inspect(data, 'png', max_pixels=16_000_000)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_the_limit_is_inclusive():
    data = pack(SMOOTH, '.png')
    assert compressed.inspect(data, '', max_pixels=48 * 64)
    with pytest.raises(EncodingError, match='3071 pixels'):
        compressed.inspect(data, '', max_pixels=48 * 64 - 1)


@pytest.mark.parametrize('data', [*JPEGS.values(), pack(SMOOTH, '.png')])
def test_no_cut_image_gets_through(data):
    """A decoder would fill the missing part with gray."""
    for length in range(len(data)):
        with pytest.raises(EncodingError):
            compressed.inspect(data[:length], '')


def test_no_altered_byte_of_a_png_gets_through():
    """Each byte up to the end of the last chunk is in a checksum, a length or a type."""
    data = pack(SMOOTH, '.png')
    for place in range(len(data)):
        bad = bytearray(data)
        bad[place] ^= 0x41
        with pytest.raises(EncodingError):
            compressed.inspect(bytes(bad), '')


@pytest.mark.parametrize('kind', JPEGS)
def test_random_damage_to_a_jpeg_is_an_error_or_an_image(kind):
    """Without a checksum not all can be known; a foreign marker in the pixel data is."""
    good = JPEGS[kind]
    for _ in range(300):
        bad = bytearray(good)
        for place in RNG.integers(2, len(bad), 3):
            bad[place] = RNG.integers(0, 256)
        try:
            taken(bytes(bad), max_pixels=100_000)
        except EncodingError as error:
            assert len(str(error)) > 20
        except AssertionError:
            pytest.fail('an image of another size than its header says')
    bad = bytearray(good)
    bad[-20:-18] = b'\xff\xe5'
    with pytest.raises(EncodingError, match='damaged at byte'):
        compressed.inspect(bytes(bad), '')


@pytest.mark.parametrize('data, image_format, words', [
    (b'', 'jpeg', 'nothing, which is neither'),
    (b'GIF89a' + bytes(50), 'gif', '47 49 46 38, which is neither'),
    (pack(SMOOTH, '.png'), '16UC1; compressedDepth png', 'compressed depth image'),
    (bomb(0, 5), 'png', 'no pixels')])
def test_refusals_say_why(data, image_format, words):
    with pytest.raises(EncodingError, match=words):
        compressed.inspect(data, image_format)


def test_pixel_data_that_cannot_be_unpacked_are_refused():
    """The checksums are right, the pixels are not there."""
    data = bomb(640, 480)
    packed = compressed.inspect(data, 'png')
    try:
        array, _ = compressed.decode(data, packed.encoding)
    except EncodingError:
        return
    assert array.shape == (480, 640), 'a decoder that fills up must fill up the right size'


def test_jpeg_output_reads_back_in_its_colours():
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[..., 0] = 200
    data = compressed.encode_jpeg(rgb, 95)
    array, encoding = taken(data.tobytes(), 'rgb8; jpeg compressed bgr8')
    assert encoding == 'bgr8' and abs(int(array[20, 30, 2]) - 200) < 5 and array[20, 30, 0] < 10
    assert len(compressed.encode_jpeg(SMOOTH, 20)) < len(compressed.encode_jpeg(SMOOTH, 95))


def test_without_the_jpeg_library_png_is_read_and_a_jpeg_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'simplejpeg', None)
    assert (taken(pack(SMOOTH, '.png'))[0] == SMOOTH).all()
    with pytest.raises(EncodingError, match='pip install simplejpeg'):
        taken(JPEGS['baseline'])
