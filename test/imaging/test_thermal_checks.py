"""Thermal images that are not thermal are recognised, and ordinary ones left in peace."""

import cv2
import numpy as np
import pytest

from uaafusion_ros.harness.pictures import STILLS
from uaafusion_ros.imaging.thermal_checks import camera_of
from uaafusion_ros.imaging.thermal_checks import examine
from uaafusion_ros.imaging.thermal_checks import is_coloured

RNG = np.random.default_rng(3)
STILL = {path.stem: cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
         for path in sorted((STILLS / 'thermal').glob('*.png'))}


def counts(name='11', low=7000, gain=9, noise=4):
    """Return 14-bit counts of a real scene, with the noise of a sensor."""
    return (low + STILL[name].astype(int) * gain + RNG.integers(0, noise, STILL[name].shape)
            ).astype(np.uint16)


def kinds(image):
    return [finding.kind for finding in examine(image)[1]]


@pytest.mark.parametrize('name', STILL)
@pytest.mark.parametrize('low, gain', [(0, 3), (7000, 9), (29_000, 40), (27_000, 1)])
def test_ordinary_counts_pass_untouched(name, low, gain):
    image = counts(name, low, gain)
    image[200:210, 300:320] = 16383  # something hot
    got, findings = examine(image)
    assert got is image and not findings


@pytest.mark.parametrize('image', [
    np.full((48, 64), 7000, np.uint16), RNG.integers(0, 65536, (48, 64), np.uint16),
    RNG.integers(0, 256, (48, 64), np.uint8), np.zeros((4, 4), np.uint16),
    RNG.normal(20, 5, (48, 64)).astype(np.float32)])
def test_noise_and_other_depths_pass(image):
    assert not examine(image)[1]


@pytest.mark.parametrize('name', STILL)
def test_exchanged_bytes_are_put_right(name):
    image = counts(name)
    got, (finding,) = examine(image.byteswap())
    np.testing.assert_array_equal(got, image)
    assert finding.kind == 'exchanged bytes' and 'is_bigendian' in finding.text and finding.mended


@pytest.mark.parametrize('rows', [1, 2, 3, 4])
@pytest.mark.parametrize('at_the_top', [True, False])
def test_telemetry_rows_are_replaced(rows, at_the_top):
    """As FLIR's cores send them: mostly zeros, between them serial numbers and counters."""
    image = counts()
    lines = np.where(RNG.random((rows, image.shape[1])) < 0.2,
                     RNG.integers(0, 65536, (rows, image.shape[1])), 0)
    sent = np.vstack([lines, image] if at_the_top else [image, lines]).astype(np.uint16)
    got, (finding,) = examine(sent)
    assert finding.kind == 'telemetry' and f'{rows} rows at the' in finding.text
    assert ('top' in finding.text) == at_the_top
    inner = got[rows:] if at_the_top else got[:-rows]
    np.testing.assert_array_equal(inner, image)
    assert got.min() >= image.min() and got.max() <= image.max()


@pytest.mark.parametrize('image', [
    STILL['11'].astype(np.uint16), STILL['11'].astype(np.uint16) * 257,
    STILL['11'].astype(np.uint16) << 8])
def test_8_bits_in_16_are_named(image):
    assert kinds(image) == ['8 bits in 16']


@pytest.mark.parametrize('shift', [2, 4])
def test_bits_at_the_wrong_end_are_named(shift):
    image = counts(low=16384 >> (shift - 2), gain=2, noise=3) >> 1 << 1
    image = (image >> 1 | 1 << (15 - shift)) << shift
    image[0, 0] |= 1 << shift
    assert kinds(image.astype(np.uint16)) == ['shifted bits']


@pytest.mark.parametrize('colours', [
    cv2.COLORMAP_JET, cv2.COLORMAP_INFERNO, cv2.COLORMAP_HOT, cv2.COLORMAP_RAINBOW,
    cv2.COLORMAP_PLASMA, cv2.COLORMAP_BONE])
def test_false_colours_are_seen(colours):
    assert is_coloured(cv2.applyColorMap(STILL['11'], colours))


@pytest.mark.parametrize('quality', [30, 60, 95])
def test_gray_is_not_coloured_by_compression(quality):
    three = cv2.cvtColor(STILL['11'], cv2.COLOR_GRAY2BGR)
    data = cv2.imencode('.jpg', three, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    assert not is_coloured(cv2.imdecode(data, cv2.IMREAD_COLOR))


def test_an_image_tells_its_camera_where_it_can():
    gray, colour = STILL['11'], cv2.applyColorMap(STILL['11'], cv2.COLORMAP_JET)
    assert camera_of(counts(), 'mono16') == camera_of(counts(), '16UC1') == 'thermal'
    assert camera_of(gray.astype(np.float32), '32FC1') == 'thermal'
    assert camera_of(colour, 'bgr8') == camera_of(gray, 'bayer_rggb8') == 'rgb'
    assert camera_of(np.dstack([gray, np.full_like(gray, 30)]), 'yuyv') == 'rgb'
    for array, encoding in ((gray, 'mono8'), (np.dstack([gray] * 3), 'rgb8'),
                            (np.dstack([gray, np.full_like(gray, 128)]), 'yuyv')):
        assert camera_of(array, encoding) == ''
