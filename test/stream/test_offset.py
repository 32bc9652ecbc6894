"""The delay between two cameras is found from motion, and only where there is motion."""

import numpy as np
import pytest

from uaafusion_ros.stream.offset import estimate
from uaafusion_ros.stream.offset import motion_energy

SECONDS = 20


def seen(rate_hz, offset_ms, activity, rng, noise):
    """
    Return stamps and motion energies of a camera whose stamps lie `offset_ms` early.

    `activity` (times, how much moved until then) drives the change between two images.
    """
    times = np.arange(rng.uniform(0, 1 / rate_hz), SECONDS, 1 / rate_hz)
    moved = np.interp(times, *activity)
    energy = np.diff(moved, prepend=moved[0]) * rate_hz**0.3
    energy = energy + rng.normal(0, noise, len(energy)) * energy.mean() + 0.3 * energy.mean()
    stamps = times - offset_ms / 1e3 + rng.normal(0, 0.003, len(times))
    return (5e9 + 1e9 * np.sort(stamps)).astype(np.int64), energy


def movement(rng):
    """Return times and the distance moved: a robot or its surroundings that start and stop."""
    times = np.arange(-1, SECONDS + 1, 0.002)
    width = int(rng.uniform(0.1, 0.4) / 0.002)
    speed = np.convolve(rng.normal(0, 1, len(times)), np.hanning(width), 'same')
    return times, np.cumsum(np.abs(speed)) / np.abs(speed).sum()


@pytest.mark.parametrize('rates', [(30, 30), (9, 30), (30, 60)])
def test_offsets_are_found_within_10_ms(rates):
    close = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        activity, offset = movement(rng), rng.uniform(-200, 200)
        found = estimate(*seen(rates[0], offset, activity, rng, 0.1),
                         *seen(rates[1], 0.0, activity, rng, 0.1))
        close.append(found.sure and abs(found.offset_ms - offset) < 10)
    assert np.mean(close) >= 0.95


def test_nothing_is_sure_without_motion_or_with_motion_of_its_own():
    still = (np.array([-1.0, 50.0]), np.array([0.0, 1.0]))
    for seed in range(40):
        rng = np.random.default_rng(seed)
        assert not estimate(*seen(9, 50, still, rng, 0.1), *seen(30, 0, still, rng, 0.1)).sure
        found = estimate(*seen(9, 50, movement(rng), rng, 0.1),
                         *seen(30, 0, movement(rng), rng, 0.1))
        assert not found.sure


def test_short_recordings_say_what_is_needed():
    stamps = np.arange(30, dtype=np.int64) * 33_000_000
    assert '8 are needed' in estimate(stamps, np.ones(30), stamps, np.ones(30)).reason
    assert not estimate(stamps[:1], np.ones(1), stamps, np.ones(30)).sure


def test_motion_energy_counts_what_moves_and_not_the_light():
    rng = np.random.default_rng(0)
    scene = rng.uniform(0, 200, (48, 64))
    assert motion_energy(scene + 30, scene) == pytest.approx(0, abs=1e-3)
    moved = scene.copy()
    moved[10:20, 10:15] = 250
    assert motion_energy(moved, scene) > 5
