"""Thermal scaling against the formulas written out, over time, and on broken pixels."""

import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.imaging.thermal import percentiles
from uaafusion_ros.imaging.thermal import stretch
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.imaging.thermal import ThermalScaling


def scene(low=7000, high=9000, shape=(64, 80), dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(dtype)


@pytest.mark.parametrize('dtype', [np.uint16, np.float32])
def test_stretch_is_linear_and_ends_at_both_ends(dtype):
    counts = np.array([[0, 999, 1000, 1001, 1250, 1500, 1999, 2000, 2001, 65535]], dtype)
    expected = np.clip(np.rint((counts.astype(float) - 1000) * 255 / 1000), 0, 255)
    result = stretch(counts, 1000.0, 2000.0)
    assert result.dtype == np.uint8
    assert np.abs(result - expected).max() <= 1  # OpenCV may round a half the other way
    assert result[0, 2] == 0 and result[0, 7] == 255


@pytest.mark.parametrize('dtype', [np.uint16, np.float32])
@pytest.mark.parametrize('low, high', [(5.0, 5.0), (9.0, 3.0)])
def test_empty_range_is_black(dtype, low, high):
    assert not stretch(np.full((3, 4), 5, dtype), low, high).any()


def test_extreme_floats_stay_ordered():
    values = np.array([[-9e29, -1.0, 0.0, 0.5, 1.0, 9e29]], np.float32)
    assert stretch(values, 0.0, 1.0).tolist() == [[0, 0, 0, 128, 255, 255]]
    assert stretch(values, -9e29, 9e29)[0, [0, -1]].tolist() == [0, 255]


def test_percentiles_of_a_small_image_are_exact():
    counts = np.random.default_rng(3).permutation(1001).reshape(7, 143).astype(np.uint16)
    assert percentiles(counts, None, 1.0, 99.0) == (10.0, 990.0)
    assert percentiles(counts, None, 0.0, 100.0) == (0.0, 1000.0)
    assert percentiles(counts, counts > 500, 0.0, 100.0) == (501.0, 1000.0)
    assert percentiles(counts, np.zeros_like(counts, bool), 0.0, 100.0) is None


def test_sampled_percentiles_are_near_the_exact_ones():
    counts = scene(shape=(512, 640))
    low, high = percentiles(counts, None, 2.0, 98.0)
    assert abs(low - np.percentile(counts, 2)) < 20
    assert abs(high - np.percentile(counts, 98)) < 20


@pytest.mark.parametrize('dtype', [np.uint16, np.float32])
def test_percentile_mode_uses_the_whole_range_and_hot_is_bright(dtype):
    scaled = ThermalScaler().scale(scene(dtype=dtype))
    assert scaled.image.dtype == np.uint8 and scaled.image.min() == 0
    assert scaled.image.max() == 255
    assert 7000 <= scaled.low < 7030 and 8970 < scaled.high <= 9000
    assert scaled.invalid == 0.0
    ramp = np.tile(np.arange(7000, 7100, dtype=dtype), (10, 1))
    assert (np.diff(ThermalScaler().scale(ramp).image.astype(int), axis=1) >= 0).all()


def test_smoothing_moves_the_range_a_tenth_of_the_way():
    scaler = ThermalScaler(ThermalScaling(low=0, high=100, smoothing=0.9))
    first, second = scene(7000, 9000), scene(7000, 9000)
    first[0, :2], second[0, :2] = (7000, 9000), (7000, 9500)
    assert scaler.scale(first).high == 9000
    assert scaler.scale(second).high == pytest.approx(9050)
    assert scaler.scale(second).high == pytest.approx(9095)


def test_one_hot_frame_hardly_changes_the_others():
    scaler = ThermalScaler()
    before = scaler.scale(scene()).image.astype(int)
    hot = scene()
    hot[:8] = 16000
    scaler.scale(hot)
    for _ in range(20):
        after = scaler.scale(scene()).image.astype(int)
    assert np.abs(after - before).max() < 30
    unsmoothed = ThermalScaler(ThermalScaling(smoothing=0.0))
    assert np.abs(unsmoothed.scale(hot).image.astype(int) - before)[8:].mean() > 60


def test_another_gain_mode_or_depth_is_taken_at_once():
    scaler = ThermalScaler()
    scaler.scale(scene(7000, 9000))
    jumped = scaler.scale(scene(20000, 24000))
    assert jumped.low >= 20000
    kelvin = scaler.scale(scene(21000, 22000, dtype=np.float32))
    assert kelvin.low >= 21000


def test_fixed_range():
    scaler = ThermalScaler(ThermalScaling(mode='fixed', low=0.0, high=510.0))
    scaled = scaler.scale(np.array([[0, 2, 510, 600]], np.uint16))
    assert scaled.image.tolist() == [[0, 1, 255, 255]]
    assert (scaled.low, scaled.high) == (0.0, 510.0)


def test_eight_bits_pass_untouched():
    image = scene(100, 110, dtype=np.uint8)
    assert ThermalScaler().scale(image).image is image
    inverted = ThermalScaler(ThermalScaling(polarity='black_hot')).scale(image).image
    np.testing.assert_array_equal(inverted, 255 - image)


def test_black_hot_is_turned_white_hot():
    image = scene()
    white = ThermalScaler().scale(image).image
    black = ThermalScaler(ThermalScaling(polarity='black_hot')).scale(image).image
    np.testing.assert_array_equal(black, 255 - white)


@pytest.mark.parametrize('mode, low, high', [('percentile', 1, 99), ('fixed', 7000, 9000)])
@pytest.mark.parametrize('polarity', ['white_hot', 'black_hot'])
def test_invalid_pixels_are_cold_and_counted(mode, low, high, polarity):
    scaler = ThermalScaler(ThermalScaling(mode, low, high, polarity=polarity))
    image = scene(dtype=np.float32)
    image[0, :4] = np.nan, np.inf, -np.inf, -3e38
    before = image.copy()
    scaled = scaler.scale(image)
    assert scaled.image[0, :4].tolist() == [0, 0, 0, 0]
    assert scaled.invalid == pytest.approx(4 / image.size)
    assert scaled.image.mean() == pytest.approx(127, abs=4)
    np.testing.assert_array_equal(image, before)


def test_an_image_without_any_valid_pixel_is_black_and_forgotten():
    scaler = ThermalScaler(ThermalScaling(smoothing=0.0))
    nothing = np.full((64, 80), np.nan, np.float32)
    scaled = scaler.scale(nothing)
    assert scaled.invalid == 1.0 and not scaled.image.any()
    good = scaler.scale(scene(dtype=np.float32))
    assert not scaler.scale(nothing).image.any()
    np.testing.assert_array_equal(scaler.scale(scene(dtype=np.float32)).image, good.image)


def test_read_only_and_strided_images_are_taken():
    wide = scene(shape=(64, 100))
    strided = wide[:, :80]
    strided.flags.writeable = False
    expected = ThermalScaler().scale(strided.copy()).image
    np.testing.assert_array_equal(ThermalScaler().scale(strided).image, expected)


@pytest.mark.parametrize('wrong', [
    np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.int16), np.zeros((2, 2), '>u2')])
def test_other_images_are_refused(wrong):
    with pytest.raises(EncodingError, match='accepted is HxW of uint8, uint16 or float32'):
        ThermalScaler().scale(wrong)


@pytest.mark.parametrize('wrong, text', [
    ({'mode': 'auto'}, "mode is 'auto'; accepted are percentile, fixed"),
    ({'polarity': 'hot'}, 'accepted are white_hot, black_hot'),
    ({'low': 99.0, 'high': 1.0}, 'must ascend within 0 to 100'),
    ({'high': 101.0}, 'within 0 to 100'),
    ({'low': float('nan')}, 'low is nan'),
    ({'smoothing': 1.0}, 'smoothing is 1.0'),
    ({'smoothing': float('nan')}, 'smoothing is nan'),
    ({'mode': 'fixed', 'low': 5.0, 'high': 5.0}, 'must ascend'),
])
def test_wrong_settings_are_refused(wrong, text):
    with pytest.raises(ParameterError, match=text):
        ThermalScaling(**wrong)
