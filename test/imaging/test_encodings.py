"""Every encoding against loops over single bytes, and anything else against EncodingError."""

from array import array as byte_array
import struct

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging.encodings import encode
from uaafusion_ros.imaging.encodings import ENCODINGS
from uaafusion_ros.imaging.encodings import lookup
from uaafusion_ros.imaging.encodings import to_rgb8
from uaafusion_ros.imaging.encodings import to_thermal
from uaafusion_ros.imaging.encodings import view

# Bytes of one pixel, channel order and bits, written apart from the table under test.
PACKED = {
    'mono8': ('YYY', 1, 8), '8UC1': ('YYY', 1, 8), 'mono16': ('YYY', 1, 16),
    '16UC1': ('YYY', 1, 16), 'rgb8': ('RGB', 3, 8), 'bgr8': ('BGR', 3, 8),
    '8UC3': ('BGR', 3, 8), 'rgba8': ('RGB', 4, 8), 'bgra8': ('BGR', 4, 8), '8UC4': ('BGR', 4, 8),
    'rgb16': ('RGB', 3, 16), 'bgr16': ('BGR', 3, 16),
}
YUV = ('uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21')
BAYER = tuple(name for name in ENCODINGS if name.startswith('bayer'))
PATTERN_AT = {'rggb': 'RGGB', 'bggr': 'BGGR', 'gbrg': 'GBRG', 'grbg': 'GRBG'}


def random_bytes(count, seed=0):
    return byte_array('B', np.random.default_rng(seed).bytes(count))


def read(data, offset, bits, big):
    if bits == 8:
        return data[offset]
    return struct.unpack_from('>H' if big else '<H', data, offset)[0]


def slow_packed(name, data, width, height, step, big):
    """Return RGB at the depth of the encoding, pixel by pixel."""
    order, channels, bits = PACKED[name]
    size = bits // 8
    rgb = np.zeros((height, width, 3), np.int64)
    for y in range(height):
        for x in range(width):
            start = y * step + x * channels * size
            values = [read(data, start + c * size, bits, big) for c in range(channels)]
            for c, colour in enumerate('RGB'):
                rgb[y, x, c] = values[0 if order == 'YYY' else order.index(colour)]
    return rgb


def yuv_at(name, data, x, y, height, step):
    if name in ('uyvy', 'yuv422'):
        pair = y * step + x // 2 * 4
        return data[pair + 1 + x % 2 * 2], data[pair], data[pair + 2]
    if name in ('yuyv', 'yuv422_yuy2'):
        pair = y * step + x // 2 * 4
        return data[pair + x % 2 * 2], data[pair + 1], data[pair + 3]
    chroma = (height + y // 2) * step + x // 2 * 2
    first, second = data[chroma], data[chroma + 1]
    return (data[y * step + x], *((first, second) if name == 'nv12' else (second, first)))


def slow_yuv(name, data, width, height, step):
    rgb = np.zeros((height, width, 3))
    luma = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            grey, u, v = yuv_at(name, data, x, y, height, step)
            luma[y, x] = grey
            bright, u, v = 255 / 219 * max(grey - 16, 0), u - 128, v - 128
            rgb[y, x] = (bright + 1.596 * v, bright - 0.813 * v - 0.391 * u, bright + 2.018 * u)
    return np.clip(rgb, 0, 255), luma


def slow_bayer(mosaic, pattern, x, y):
    """Return the mean of the nearest cells of each colour in the 3x3 around an inner pixel."""
    found = {'R': {}, 'G': {}, 'B': {}}
    for j in range(y - 1, y + 2):
        for i in range(x - 1, x + 2):
            colour = PATTERN_AT[pattern][j % 2 * 2 + i % 2]
            distance = abs(j - y) + abs(i - x)
            found[colour].setdefault(distance, []).append(int(mosaic[j, i]))
    return [np.mean(cells[min(cells)]) for cells in (found['R'], found['G'], found['B'])]


def bytes_and_view(name, width, height, padding=0, big=False):
    row = ENCODINGS[name]
    step = width * row.channels * np.dtype(row.dtype).itemsize + padding
    data = random_bytes(step * height * row.rows[0] // row.rows[1])
    array = view(data, encoding=name, width=width, height=height, step=step, is_bigendian=big)
    return data, step, array


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('padding', [0, 5, 64])
@pytest.mark.parametrize('width, height', [(8, 6), (7, 5), (1, 1), (3, 1), (1, 4)])
@pytest.mark.parametrize('name', PACKED)
def test_packed_pixels(name, width, height, padding, big):
    data, step, array = bytes_and_view(name, width, height, padding, big)
    expected = slow_packed(name, data, width, height, step, big)
    bits = PACKED[name][2]
    eight = expected if bits == 8 else np.rint(expected * (255 / 65535))
    rgb = to_rgb8(array, name)
    assert rgb.dtype == np.uint8 and rgb.flags.c_contiguous
    np.testing.assert_array_equal(rgb, eight)
    thermal = to_thermal(array, name)
    assert thermal.dtype == np.dtype(f'u{bits // 8}') and thermal.dtype.isnative
    luma = expected @ (0.299, 0.587, 0.114)
    assert thermal.shape == (height, width)
    tolerance = 1e-6 if array.ndim == 2 else {8: 0.6, 16: 2.0}[bits]
    assert np.abs(thermal - luma).max() <= tolerance


@pytest.mark.parametrize('padding', [0, 3, 32])
@pytest.mark.parametrize('width, height', [(8, 6), (2, 2), (34, 4)])
@pytest.mark.parametrize('name', YUV)
def test_yuv_pixels(name, width, height, padding):
    data, step, array = bytes_and_view(name, width, height, padding)
    rgb, luma = slow_yuv(name, data, width, height, step)
    assert np.abs(to_rgb8(array, name) - rgb).max() <= 1.5
    np.testing.assert_array_equal(to_thermal(array, name), luma)


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('width, height', [(8, 6), (7, 5), (3, 3)])
@pytest.mark.parametrize('name', BAYER)
def test_bayer_inner_pixels(name, width, height, big):
    _, _, array = bytes_and_view(name, width, height, padding=6, big=big)
    rgb = to_rgb8(array, name)
    scale = 1 if name.endswith('8') else 1 / 257
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            expected = np.multiply(slow_bayer(array, name[6:10], x, y), scale)
            assert np.abs(rgb[y, x] - expected).max() <= 1.0


@pytest.mark.parametrize('width, height', [(6, 4), (7, 5), (3, 3)])
@pytest.mark.parametrize('name', BAYER)
def test_bayer_of_one_colour_is_that_colour_up_to_the_border(name, width, height):
    colour = {'R': 200, 'G': 90, 'B': 30}
    scale = 1 if name.endswith('8') else 257
    mosaic = np.array([[colour[PATTERN_AT[name[6:10]][y % 2 * 2 + x % 2]] * scale
                        for x in range(width)] for y in range(height)], ENCODINGS[name].dtype)
    assert (to_rgb8(mosaic, name) == (200, 90, 30)).all()


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('padding', [0, 2, 12])
def test_float_thermal_keeps_its_values(padding, big):
    values = np.array([[1.5, -2.25, np.nan], [np.inf, 3e38, 0.0]], np.float32)
    data = b''.join(struct.pack('>3f' if big else '<3f', *row) + bytes(padding) for row in values)
    array = view(data, encoding='32FC1', width=3, height=2, step=12 + padding, is_bigendian=big)
    thermal = to_thermal(array, '32FC1')
    assert thermal.dtype == np.float32 and thermal.dtype.isnative
    np.testing.assert_array_equal(thermal, values)
    with pytest.raises(EncodingError, match='32FC1 has no defined range'):
        to_rgb8(array, '32FC1')


def test_view_copies_nothing_and_cannot_be_written():
    data = random_bytes(24)
    array = view(data, encoding='rgb8', width=4, height=2, step=12, is_bigendian=False)
    data[13] = 77
    assert array[1, 0, 1] == 77
    assert to_rgb8(array, 'rgb8') is array
    assert np.shares_memory(to_thermal(array[..., 0], 'mono8'), array)
    with pytest.raises(ValueError):
        array[0, 0, 0] = 1


@pytest.mark.parametrize('wrap', [bytes, bytearray, memoryview, np.frombuffer])
def test_view_takes_any_buffer(wrap):
    raw = bytes(range(8))
    data = wrap(raw, np.uint8) if wrap is np.frombuffer else wrap(raw)
    array = view(data, encoding='mono8', width=3, height=2, step=4, is_bigendian=False)
    assert array.tolist() == [[0, 1, 2], [4, 5, 6]]


def test_only_the_last_padding_may_be_missing():
    accepted = []
    for size in range(30):
        try:
            view(bytes(size), encoding='mono8', width=5, height=3, step=8, is_bigendian=False)
        except EncodingError:
            continue
        accepted.append(size)
    assert accepted == [21, 22, 23, 24]


def test_step_of_a_single_row_does_not_matter():
    for step in (4, 2 ** 32 - 1, 2 ** 70):
        array = view(b'abcd', encoding='mono16', width=2, height=1, step=step, is_bigendian=True)
        assert array.tolist() == [[0x6162, 0x6364]]


@pytest.mark.parametrize('change, text', [
    ({'encoding': 'mono10'}, "'mono10' is not supported; accepted are mono8.*set the camera"),
    ({'encoding': ''}, 'not supported'),
    ({'encoding': None}, 'None is not supported'),
    ({'width': 0}, 'too small'),
    ({'height': 0}, 'too small'),
    ({'height': -1}, 'too small'),
    ({'width': 2.0}, 'whole numbers'),
    ({'width': 2 ** 32 - 1, 'height': 2 ** 32 - 1}, 'more than 64000000 pixels'),
    ({'step': 11}, 'step 11; a row needs at least 12'),
    ({'step': 0}, 'step 0;'),
    ({'step': 2 ** 32 - 1}, 'has 24 bytes of data; accepted are'),
    ({'data': b''}, 'has 0 bytes of data; accepted are 24'),
    ({'data': bytes(23)}, 'has 23 bytes'),
    ({'data': bytes(25)}, 'has 25 bytes'),
    ({'data': [0] * 24}, 'type list, which is no contiguous buffer'),
    ({'data': 'x' * 24}, 'type str'),
    ({'data': None}, 'type NoneType'),
    ({'data': np.zeros(48, np.uint8)[::2]}, 'no contiguous buffer'),
    ({'encoding': 'uyvy', 'width': 3}, 'width must be a multiple of 2'),
    ({'encoding': 'nv12', 'height': 3}, 'height of 2'),
    ({'encoding': 'bayer_rggb8', 'height': 2}, 'at least 3 x 3'),
])
def test_refused(change, text):
    fields = {'data': bytes(24), 'encoding': 'rgb8', 'width': 4, 'height': 2, 'step': 12,
              'is_bigendian': False}
    assert view(**fields).shape == (2, 4, 3)
    with pytest.raises(EncodingError, match=text):
        view(**{**fields, **change})


def test_limit_is_a_setting():
    fields = {'data': bytes(16), 'encoding': 'mono8', 'width': 4, 'height': 4, 'step': 4,
              'is_bigendian': False}
    assert view(**fields, max_pixels=16).shape == (4, 4)
    with pytest.raises(EncodingError, match='more than 15 pixels'):
        view(**fields, max_pixels=15)


def test_case_of_a_name_is_ignored():
    assert lookup('RGB8').name == 'rgb8'
    assert lookup('32fc1').name == '32FC1'
    assert len({name.lower() for name in ENCODINGS}) == len(ENCODINGS)


def test_array_of_another_layout_is_refused():
    for convert in (to_rgb8, to_thermal, encode):
        with pytest.raises(EncodingError, match='is not mono16'):
            convert(np.zeros((2, 2), np.uint8), 'mono16')
        with pytest.raises(EncodingError, match=r'\(2, 2\) is not rgb8'):
            convert(np.zeros((2, 2), np.uint8), 'rgb8')
        with pytest.raises(EncodingError, match='is not rgb8'):
            convert(np.zeros((2, 2, 4), np.uint8), 'rgb8')
    for convert in (to_rgb8, to_thermal):
        with pytest.raises(EncodingError, match='4 rows are not nv12'):
            convert(np.zeros((4, 4), np.uint8), 'nv12')
        with pytest.raises(EncodingError, match='multiple of 2'):
            convert(np.zeros((4, 3, 2), np.uint8), 'yuyv')
        with pytest.raises(EncodingError, match='at least 3 x 3'):
            convert(np.zeros((2, 4), np.uint8), 'bayer_gbrg8')


@pytest.mark.parametrize('shape', [(3, 5), (1, 4), (4, 1)])
@pytest.mark.parametrize('name', ['rgb8', 'bgr8', 'mono8', 'mono16', '32FC1'])
def test_encode_is_the_inverse_of_view(name, shape):
    row = ENCODINGS[name]
    rng = np.random.default_rng(1)
    full = shape if row.channels == 1 else (*shape, row.channels)
    array = rng.integers(0, 255, full).astype(row.dtype)
    for given_array in (array, array[::-1], array.astype(np.dtype(row.dtype).newbyteorder('>'))):
        data, step = encode(given_array, name)
        back = view(data, encoding=name, width=shape[1], height=shape[0], step=step,
                    is_bigendian=False)
        np.testing.assert_array_equal(back, given_array)
    assert np.shares_memory(encode(array, name)[0], array)


def test_encode_refuses():
    with pytest.raises(EncodingError, match='nv12 cannot be written; accepted are rgb8'):
        encode(np.zeros((3, 2), np.uint8), 'nv12')
    with pytest.raises(EncodingError, match='too small'):
        encode(np.zeros((0, 2), np.uint8), 'mono8')


ANY_NUMBER = st.one_of(st.integers(0, 300), st.sampled_from([2 ** 31, 2 ** 32 - 1]))
ANY_NAME = st.one_of(st.sampled_from(sorted(ENCODINGS)), st.text(max_size=12))


@st.composite
def messages(draw):
    """Return the fields of a right image message, up to two of them replaced by any value."""
    name = draw(st.sampled_from(sorted(ENCODINGS)))
    width, height = draw(st.integers(1, 10)), draw(st.integers(1, 10))
    row = ENCODINGS[name]
    step = width * row.channels * np.dtype(row.dtype).itemsize + draw(st.integers(0, 3))
    fields = {'encoding': name, 'width': width, 'height': height, 'step': step,
              'size': step * height * row.rows[0] // row.rows[1]}
    for key in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2)):
        near = st.integers(-2, 2).map(lambda change, key=key: max(0, fields[key] + change))
        fields[key] = draw(ANY_NAME if key == 'encoding' else st.one_of(near, ANY_NUMBER))
    size = min(fields.pop('size'), 4000)
    return {'data': random_bytes(size, seed=size), 'is_bigendian': draw(st.booleans()), **fields}


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(messages())
def test_any_message_becomes_its_bytes_or_an_encoding_error(fields):
    try:
        array = view(**fields)
    except EncodingError as error:
        assert 'accepted' in str(error) or 'needed' in str(error) or ';' in str(error)
        return
    row = lookup(fields['encoding'])
    height, size = fields['height'], array.dtype.itemsize
    assert array.shape[:2] == (height * row.rows[0] // row.rows[1], fields['width'])
    order = '>' if fields['is_bigendian'] else '<'
    letter = {'u1': 'B', 'u2': 'H', 'f4': 'f'}[row.dtype]
    for y, x in ((0, 0), (array.shape[0] - 1, array.shape[1] - 1)):
        offset = y * fields['step'] + x * row.channels * size
        expected = struct.unpack_from(f'{order}{row.channels}{letter}', fields['data'], offset)
        np.testing.assert_array_equal(np.ravel(array[y, x]), np.float64(expected))
    assert to_thermal(array, row.name).shape == (height, fields['width'])
    if row.name != '32FC1':
        assert to_rgb8(array, row.name).shape == (height, fields['width'], 3)
