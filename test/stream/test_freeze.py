from __future__ import annotations

import time

import numpy as np
import pytest

from uaafusion_ros.stream.freeze import FreezeDetector

MS = 1_000_000


def noisy(seed, dtype=np.uint16, shape=(120, 160)):
    noise = np.random.default_rng(seed).normal(8000, 8, shape)
    return (noise / 40 if dtype == np.uint8 else noise).astype(dtype)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize('shape', [(120, 160), (20, 16), (120, 160, 3)])
def test_the_third_repeat_is_a_freeze_and_the_next_new_image_ends_it(dtype, shape):
    detector = FreezeDetector()
    for k in range(10):
        assert not detector.update(noisy(k, dtype, shape), k * 33 * MS)
    held = noisy(9, dtype, shape)
    states = [detector.update(held.copy(), (10 + k) * 33 * MS) for k in range(9)]
    assert states == [False, False] + [True] * 7
    assert detector.frozen
    assert not detector.update(noisy(11, dtype, shape), 20 * 33 * MS)


def test_a_slow_camera_is_frozen_by_the_age_of_what_it_shows():
    detector = FreezeDetector()
    held = noisy(0)
    assert not detector.update(held, 0)
    assert detector.update(held.copy(), 111 * MS)


def test_each_image_sent_three_times_is_no_freeze():
    detector = FreezeDetector()
    assert not any(detector.update(noisy(k // 3), k * 37 * MS) for k in range(60))


def test_one_pixel_and_no_more_may_change():
    detector = FreezeDetector(repeats=1)
    for k in range(100):
        image = np.zeros((480, 640), np.uint8)
        image[100 + k, 201] = 1
        assert not detector.update(image, k * 33 * MS)


def test_a_frame_counter_in_telemetry_rows_hides_nothing():
    detector = FreezeDetector()
    held, states = noisy(0), []
    for k in range(4):
        image = held.copy()
        image[0, 3] = image[-1, 3] = k
        states.append(detector.update(image, k * 33 * MS))
    assert states == [False, False, False, True]


def test_dead_float_pixels_repeat_too():
    detector = FreezeDetector(repeats=1)
    held = noisy(0, np.float32)
    held[60, ::3] = np.nan
    detector.update(held, 0)
    assert detector.update(held.copy(), 33 * MS)


def test_the_same_message_twice_another_size_and_a_loop_are_no_repeat():
    detector = FreezeDetector(repeats=1)
    held = np.zeros((120, 160), np.uint8)
    detector.update(held, 10 * MS)
    assert not detector.update(held, 10 * MS)
    assert not detector.update(np.zeros((60, 320), np.uint8), 20 * MS)
    assert not detector.update(np.zeros((60, 320), np.int8), 30 * MS)
    assert not detector.update(np.zeros((60, 320), np.int8), 5 * MS)
    assert detector.update(np.zeros((60, 320), np.int8), 6 * MS)


def test_compressed_bytes_repeat_or_not():
    detector = FreezeDetector(repeats=1)
    held = np.frombuffer(np.random.default_rng(0).bytes(30_000), np.uint8)
    other = held.copy()
    other[12_345] ^= 1
    assert not detector.update(held, 0)
    assert detector.update(held.copy(), 33 * MS)
    assert not detector.update(other, 66 * MS)
    assert not detector.update(other[:-1], 99 * MS)
    assert not detector.update(other[:0], 132 * MS)


def test_switched_off_it_sees_nothing():
    detector = FreezeDetector(repeats=0)
    held = noisy(0)
    assert not any(detector.update(held, k * 33 * MS) for k in range(20))


def test_strided_read_only_and_foreign_byte_orders_are_taken():
    wide = noisy(0, shape=(120, 200)).astype('>u2')
    view = wide[:, :160]
    view.flags.writeable = False
    detector = FreezeDetector(repeats=1)
    assert not detector.update(view, 0)
    assert detector.update(view.copy(), 33 * MS)


def test_it_is_cheap():
    detector = FreezeDetector()
    images = [noisy(k, shape=(480, 640)) for k in range(10)]
    spent = []
    for k in range(100):
        began = time.perf_counter()
        detector.update(images[k // 2 % 10], k * 33 * MS)
        spent.append(time.perf_counter() - began)
    assert np.median(spent) < 0.5e-3
