"""Thermal scaling against the formulas written out, over time, and on broken pixels."""

import numpy as np
import pytest

from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging.thermal import percentiles
from uaafusion_ros.imaging.thermal import stretch
from uaafusion_ros.imaging.thermal import ThermalScaler
from uaafusion_ros.settings import ThermalSettings

S = 1_000_000_000
EPOCH = 1_700_000_000 * S


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


def test_percentiles_are_exact():
    counts = np.random.default_rng(3).permutation(1001).astype(np.uint16)
    assert percentiles(counts, 1.0, 99.0) == (10.0, 990.0)
    assert percentiles(counts, 0.0, 100.0) == (0.0, 1000.0)
    assert percentiles(counts[:0], 0.0, 100.0) is None


def test_sampled_percentiles_are_near_the_exact_ones():
    counts = scene(shape=(512, 640))
    facts = ThermalScaler(ThermalSettings(percentiles=(2, 98))).scale(counts).facts
    assert abs(facts.low - np.percentile(counts, 2)) < 20
    assert abs(facts.high - np.percentile(counts, 98)) < 20


@pytest.mark.parametrize('dtype', [np.uint16, np.float32])
def test_percentile_mode_uses_the_whole_range_and_hot_is_bright(dtype):
    scaled = ThermalScaler().scale(scene(dtype=dtype))
    assert scaled.image.dtype == np.uint8 and scaled.image.min() == 0
    assert scaled.image.max() == 255
    facts = scaled.facts
    assert 7000 <= facts.low < 7030 and 8970 < facts.high <= 9000
    assert (facts.coldest, facts.hottest, facts.invalid) == (7000, 9000, 0.0)
    assert facts.advice == ''
    ramp = np.tile(np.arange(7000, 7100, dtype=dtype), (10, 1))
    assert (np.diff(ThermalScaler().scale(ramp).image.astype(int), axis=1) >= 0).all()


@pytest.mark.parametrize('hz', [9, 30, 60])
def test_smoothing_goes_by_the_seconds_not_by_the_images(hz):
    scaler = ThermalScaler(ThermalSettings(percentiles=(0, 100), smoothing_s=0.3))
    first, second = scene(7000, 9000), scene(7000, 9000)
    first[0, :2], second[0, :2] = (7000, 9000), (7000, 9500)
    assert scaler.scale(first, EPOCH).facts.high == 9000
    for k in range(1, hz // 3 + 1):
        high = scaler.scale(second, EPOCH + k * S // hz).facts.high
    assert high == pytest.approx(9500 - 500 * np.exp(-(hz // 3) / hz / 0.3), abs=0.1)


def test_one_hot_frame_hardly_changes_the_others():
    scaler = ThermalScaler()
    before = scaler.scale(scene(), EPOCH).image.astype(int)
    hot = scene()
    hot[:8] = 16000
    scaler.scale(hot, EPOCH + S // 30)
    for k in range(20):
        after = scaler.scale(scene(), EPOCH + (2 + k) * S // 30).image.astype(int)
    assert np.abs(after - before).max() < 30
    unsmoothed = ThermalScaler(ThermalSettings(smoothing_s=0.0))
    unsmoothed.scale(scene(), EPOCH)
    hot = unsmoothed.scale(hot, EPOCH + S // 30).image.astype(int)
    assert np.abs(hot - before)[8:].mean() > 60


def test_noise_and_a_slow_drift_do_not_flicker():
    rng = np.random.default_rng(5)
    still = np.full((240, 320), 8000.0) + np.linspace(0, 400, 320)
    mean = {}
    for smoothing in (0.0, 0.3):
        scaler = ThermalScaler(ThermalSettings(smoothing_s=smoothing))
        levels = []
        for k in range(60):
            hot = 30 * (k % 2)  # something small that blinks at the hot end
            image = still + rng.normal(0, 8, still.shape)
            image[:4] += 20 * hot
            levels.append(scaler.scale(image.astype(np.uint16), EPOCH + k * S // 30)
                          .image[100:].mean())
        mean[smoothing] = np.abs(np.diff(levels[20:])).mean()
    assert mean[0.3] < 0.25 * mean[0.0]


@pytest.mark.parametrize('step', [-S, 11 * S])
def test_a_jump_in_time_and_a_cut_are_taken_at_once(step):
    scaler = ThermalScaler()
    scaler.scale(scene(7000, 9000), EPOCH)
    assert scaler.scale(scene(7100, 9100), EPOCH + S // 30).facts.low < 7050
    assert scaler.scale(scene(7100, 9100), EPOCH + S // 30 + step).facts.low >= 7100
    # Both ends by 900 of 2000: the level has moved, as by a shutter.
    assert scaler.scale(scene(8000, 10000), EPOCH + S // 15 + step).facts.low >= 8000


def test_a_shutter_of_a_second_leaves_nothing_of_the_range_before():
    scaler = ThermalScaler()
    scaler.scale(scene(7000, 9000), EPOCH)
    low = scaler.scale(scene(7200, 9200), EPOCH + S).facts.low
    assert low > 7190


def test_images_without_stamps_are_measured_each_for_itself():
    scaler = ThermalScaler()
    scaler.scale(scene(7000, 9000))
    assert scaler.scale(scene(7100, 9100)).facts.low >= 7100


def test_another_gain_mode_or_depth_is_taken_at_once():
    scaler = ThermalScaler()
    scaler.scale(scene(7000, 9000), EPOCH)
    jumped = scaler.scale(scene(20000, 24000), EPOCH + S // 30)
    assert jumped.facts.low >= 20000
    kelvin = scaler.scale(scene(21000, 22000, dtype=np.float32), EPOCH + S // 15)
    assert kelvin.facts.low >= 21000
    smaller = scaler.scale(scene(21100, 22100, (32, 40), np.float32), EPOCH + S // 10)
    assert smaller.facts.low >= 21100


def test_fixed_range():
    scaler = ThermalScaler(ThermalSettings(scaling='fixed', range=(0.0, 510.0)))
    scaled = scaler.scale(np.array([[0, 2, 510, 600]], np.uint16))
    assert scaled.image.tolist() == [[0, 1, 255, 255]]
    facts = scaled.facts
    assert (facts.low, facts.high, facts.clipped) == (0.0, 510.0, 0.25)


def test_eight_bits_pass_untouched():
    image = scene(100, 110, dtype=np.uint8)
    assert ThermalScaler().scale(image).image is image
    inverted = ThermalScaler(ThermalSettings(polarity='black_hot')).scale(image).image
    np.testing.assert_array_equal(inverted, 255 - image)


def test_black_hot_is_turned_white_hot():
    image = scene()
    white = ThermalScaler().scale(image).image
    black = ThermalScaler(ThermalSettings(polarity='black_hot')).scale(image).image
    np.testing.assert_array_equal(black, 255 - white)


@pytest.mark.parametrize('mode', ['percentile', 'fixed'])
@pytest.mark.parametrize('polarity', ['white_hot', 'black_hot'])
def test_invalid_pixels_are_cold_and_counted(mode, polarity):
    scaler = ThermalScaler(ThermalSettings(
        scaling=mode, percentiles=(1, 99), range=(7000, 9000), polarity=polarity))
    image = scene(dtype=np.float32)
    image[0, :4] = np.nan, np.inf, -np.inf, -3e38
    before = image.copy()
    scaled = scaler.scale(image)
    assert scaled.image[0, :4].tolist() == [0, 0, 0, 0]
    assert scaled.facts.invalid == pytest.approx(4 / image.size)
    assert scaled.image.mean() == pytest.approx(127, abs=4)
    np.testing.assert_array_equal(image, before)


def test_an_image_without_any_valid_pixel_is_black_and_forgotten():
    scaler = ThermalScaler(ThermalSettings(smoothing_s=0.0))
    nothing = np.full((64, 80), np.nan, np.float32)
    scaled = scaler.scale(nothing)
    assert scaled.facts.invalid == 1.0 and not scaled.image.any()
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


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_clahe_brings_out_what_lies_in_a_narrow_range(dtype):
    rng = np.random.default_rng(6)
    image = rng.normal(60, 2, (240, 320))
    image[:, 160:] += 100           # two levels that a global range spends itself on
    image[100:120, 40:60] += 6
    image = (image if dtype == np.uint8 else 40 * image + 5000).astype(dtype)
    contrast = {}
    for mode in ('percentile', 'clahe'):
        scaled = ThermalScaler(ThermalSettings(scaling=mode)).scale(image).image.astype(float)
        contrast[mode] = scaled[100:120, 40:60].mean() - scaled[130:150, 40:60].mean()
    assert contrast['clahe'] > 1.8 * contrast['percentile'] > 0


@pytest.mark.parametrize(('unit', 'low', 'high'), [('celsius', 20.0, 40.0),
                                                   ('kelvin', 293.15, 313.15)])
@pytest.mark.parametrize('gain', [0.01, 0.04])
def test_a_fixed_range_of_temperatures(unit, low, high, gain):
    scaler = ThermalScaler(ThermalSettings(
        scaling='fixed', range=(low, high), unit=unit, gain=gain))
    kelvin = np.array([[283.15, 293.15, 303.15, 313.15, 333.15]])
    scaled = scaler.scale(np.rint(kelvin / gain).astype(np.uint16))
    assert scaled.image[0, [0, 1, 3, 4]].tolist() == [0, 0, 255, 255]
    assert abs(int(scaled.image[0, 2]) - 128) <= 1
    facts = scaled.facts
    assert (facts.unit, facts.low, facts.high) == (unit, pytest.approx(low), pytest.approx(high))
    assert facts.hottest - facts.coldest == pytest.approx(50.0, abs=gain)
    # A float image is in the unit already.
    told = kelvin - (273.15 if unit == 'celsius' else 0.0)
    same = scaler.scale(told.astype(np.float32))
    assert np.abs(same.image.astype(int) - scaled.image).max() <= 1
    assert same.facts.hottest == pytest.approx(told.max(), abs=1e-3)


@pytest.mark.parametrize(('dtype', 'full'), [(np.uint8, 255), (np.uint16, 16383),
                                             (np.uint16, 65535)])
def test_saturation_is_measured(dtype, full):
    image = scene(100, 200, dtype=dtype)
    assert ThermalScaler().scale(image).facts.saturated == 0.0
    image[:8] = full
    facts = ThermalScaler().scale(image).facts
    assert facts.saturated == pytest.approx(8 / 64)
    assert '12% of the thermal pixels are saturated' in facts.advice


def test_a_range_that_misses_the_scene_is_said():
    facts = ThermalScaler(ThermalSettings(scaling='fixed', range=(0, 1000))).scale(scene()).facts
    assert facts.clipped == 1.0
    assert 'set thermal.range to what the scene holds (7000 to 9000)' in facts.advice


@pytest.mark.parametrize('mode', ['percentile', 'fixed'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_dead_lines_are_filled_and_counted(dtype, mode):
    image = scene(100, 160, dtype=dtype)
    before = image.copy()
    settings = ThermalSettings(scaling=mode, range=(100, 160))
    whole = ThermalScaler(settings).scale(image).image.astype(int)
    image[20], image[40:42], image[:, 0], image[:, 50] = 0, 90, 200, 7
    if dtype == np.float32:
        image[20] = np.nan
    damaged = image.copy()
    scaled = ThermalScaler(settings).scale(image)
    assert (scaled.facts.dead_rows, scaled.facts.dead_columns) == (3, 2)
    assert '3 dead rows and 2 dead columns' in scaled.facts.advice
    np.testing.assert_array_equal(image, damaged)
    filled = scaled.image.astype(int)
    live = np.ones_like(before, bool)
    live[[20, 40, 41]] = live[:, [0, 50]] = False
    assert np.median(np.abs(filled - whole)[live]) <= 4
    assert np.abs(filled[20] - (filled[19] + filled[21]) / 2)[live[19]].max() <= 3


@pytest.mark.parametrize('unit, value', [('celsius', 49.85), ('kelvin', 323.0)])
def test_a_radiometric_image_has_temperatures(unit, value):
    scaler = ThermalScaler(ThermalSettings(unit=unit, gain=0.1, offset=3.0))
    counts = np.full((8, 8), 3200, np.uint16)
    scaled = scaler.scale(counts)
    assert scaled.unit == unit
    np.testing.assert_allclose(scaled.temperatures(), value, atol=1e-3)
    told = np.full((8, 8), 21.5, np.float32)
    told[2, 3] = np.inf
    told = scaler.scale(told).temperatures()
    assert np.isnan(told[2, 3]) and np.nanmax(told) == np.nanmin(told) == 21.5


def test_what_the_camera_has_scaled_has_no_temperatures():
    scaler = ThermalScaler(ThermalSettings(unit='celsius'))
    assert scaler.scale(np.full((8, 8), 30, np.uint8)).temperatures() is None
    assert ThermalScaler().scale(np.full((8, 8), 3000, np.uint16)).temperatures() is None
