"""Flicker is what the fusion adds where nothing moves; sums leave out what is not there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from uaafusion_ros.evaluation.replay.stream_metrics import gray
from uaafusion_ros.evaluation.replay.stream_metrics import MEASURES
from uaafusion_ros.evaluation.replay.stream_metrics import quality
from uaafusion_ros.evaluation.replay.stream_metrics import Stability
from uaafusion_ros.evaluation.replay.stream_metrics import summarise

RNG = np.random.default_rng(0)
THERMAL = RNG.integers(20, 230, (60, 80), np.uint8)
LUMA = RNG.integers(20, 230, (60, 80), np.uint8)
MASK = np.zeros((60, 80), np.uint8)


def mean(thermal, luma):
    return cv2.addWeighted(thermal, 0.5, luma, 0.5, 0)


def second(before, after):
    stability = Stability()
    stability.measure(*before)
    return stability.measure(*after)


def noisy(image, seed):
    noise = np.random.default_rng(seed).integers(-2, 3, image.shape)
    return (image.astype(int) + noise).astype(np.uint8)


def test_what_the_sources_do_themselves_is_no_flicker():
    thermal, luma = noisy(THERMAL, 1), noisy(LUMA, 2)
    for fuse in (mean, np.maximum, lambda a, b: a, lambda a, b: b):
        found = second((THERMAL, LUMA, fuse(THERMAL, LUMA), MASK),
                       (thermal, luma, fuse(thermal, luma), MASK))
        # A mean of whole gray levels is rounded, which can add a part of a level.
        assert found['flicker'] <= (0.05 if fuse is mean else 0.0)
        assert (found['mask_flicker'], found['still_share']) == (0.0, 1.0)


def test_a_change_that_no_source_made_is_flicker():
    fused = mean(THERMAL, LUMA)
    mask = MASK.copy()
    mask[:6] = 3
    found = second((THERMAL, LUMA, fused, MASK), (THERMAL, LUMA, fused - 5, mask))
    assert found == {'flicker': 5.0, 'mask_flicker': pytest.approx(0.1), 'still_share': 1.0}
    other = THERMAL + 2
    assert second((THERMAL, LUMA, fused, MASK), (other, LUMA, fused + 5, MASK))['flicker'] == 3.0


def test_only_still_pixels_are_looked_at():
    moving = LUMA.copy()
    moving[:, :40] += 3
    fused = mean(THERMAL, LUMA)
    changed = fused.copy()
    changed[:, :40] += 20
    found = second((THERMAL, LUMA, fused, MASK), (THERMAL, moving, changed, MASK))
    assert found == {'flicker': 0.0, 'mask_flicker': 0.0, 'still_share': 0.5}


def test_nothing_is_said_without_still_pixels_or_another_frame():
    fused = mean(THERMAL, LUMA)
    stability = Stability()
    first = stability.measure(THERMAL, LUMA, fused, MASK)
    moved = stability.measure(THERMAL, LUMA + 9, fused, MASK)
    other = stability.measure(*(image[:, :50] for image in (THERMAL, LUMA, fused, MASK)))
    assert all(np.isnan(list(found.values())).all() for found in (first, other))
    assert moved['still_share'] == 0.0 and np.isnan(moved['flicker'])


def test_every_measure_has_a_direction_and_small_images_are_not_scored():
    found = quality(THERMAL, LUMA, mean(THERMAL, LUMA))
    assert {*found, *second((THERMAL, LUMA, LUMA, MASK), (THERMAL, LUMA, LUMA, MASK)),
            'skew_abs_ms'} == set(MEASURES)
    assert MEASURES['MSE'][0] == MEASURES['flicker'][0] == 'down' and MEASURES['Qabf'][0] == 'up'
    assert np.isnan(list(quality(*[THERMAL[:40]] * 3).values())).all()


def test_gray_is_bt601():
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert gray(rgb).tolist() == [[76, 150, 29]]


def test_a_summary_leaves_out_what_is_not_there():
    rows = [{'EN': 1.0, 'MSE': None}, {'EN': float('nan')}, {'EN': 2.0}, {'EN': 6.0},
            {'EN': float('inf')}]
    summary = summarise(rows)
    assert list(summary) == ['EN']
    row = summary['EN']
    assert (row['n'], row['mean'], row['median'], row['min'], row['max']) == (3, 3, 2, 1, 6)
    assert row['p05'] == pytest.approx(1.1) and row['p95'] == pytest.approx(5.6)
    assert (row['direction'], row['unit']) == ('up', 'bit')
