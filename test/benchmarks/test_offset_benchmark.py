"""The benchmark's scenes: the delay is found in images that move, and only there."""

import numpy as np
import pytest

from benchmarks.offset import pictures
from benchmarks.offset import scene_offset


@pytest.mark.parametrize('kind, rates, clocks_s', [
    ('sweep', (9, 30), 0.0), ('passing', (30, 60), 0.0), ('sweep', (30, 30), 7200.0)])
def test_a_delay_is_found_within_10_ms(kind, rates, clocks_s):
    truth, found, _ = scene_offset(
        kind, rates, pictures(None)[0], np.random.default_rng(1), clocks_s)
    assert abs(found - truth) < 10


@pytest.mark.parametrize('kind', ['still', 'light', 'steady', 'apart'])
def test_nothing_is_found_without_a_motion_that_both_cameras_see(kind):
    _, found, _ = scene_offset(kind, (9, 30), pictures(None)[0], np.random.default_rng(1))
    assert found is None
