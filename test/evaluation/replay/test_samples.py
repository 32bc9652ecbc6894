"""The worst, the best and evenly spaced frames are kept, and no others."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from uaafusion_ros.evaluation.replay.samples import make_sample
from uaafusion_ros.evaluation.replay.samples import SampleKeeper


def sample(index, size=(4, 6)):
    colour = np.full((*size, 3), index % 256, np.uint8)
    return make_sample(index, index * 10, colour, colour[..., 0], colour, colour)


def kept(scores):
    keeper = SampleKeeper()
    for index, score in enumerate(scores):
        keeper.add(score, lambda index=index: sample(index))
    return keeper.result()


def test_the_worst_and_the_best_come_first():
    scores = np.random.default_rng(0).permutation(100) / 100
    samples, groups = kept(scores.tolist())
    order = np.argsort(scores).tolist()
    assert groups['worst'] == order[:4] and groups['best'] == order[:-5:-1]
    assert [one.index for one in samples] == sorted(set().union(*groups.values()))
    assert all((one.rgb == one.index).all() and one.stamp_ns == one.index * 10 for one in samples)


@pytest.mark.parametrize('count', [1, 3, 9, 100, 1000])
def test_spaced_frames_span_the_run(count):
    _, groups = kept([float('nan')] * count)
    spaced = groups['spaced']
    assert groups['worst'] == groups['best'] == []
    assert len(spaced) == min(4, count) and spaced[0] == 0 and spaced == sorted(set(spaced))
    assert spaced[-1] >= count // 2
    gaps = np.diff(spaced)
    assert not len(gaps) or gaps.max() <= 2 * gaps.min()


def test_few_frames_are_not_worst_and_best_at_once():
    _, groups = kept([0.5, 0.1, 0.9, 0.3, 0.7])
    assert groups['worst'] == [1, 3, 0, 4] and groups['best'] == [2]


def test_memory_is_bounded_however_long_the_run():
    keeper, made, alive = SampleKeeper(), [], []

    def make(index):
        one = sample(index)
        made.append(weakref.ref(one))
        return one

    for index in range(500):
        keeper.add(index / 500, lambda index=index: make(index))
        alive.append(sum(one() is not None for one in made))
    assert 4 < max(alive) <= 16


def test_large_images_are_scaled_down_alike():
    one = sample(3, size=(1500, 1920))
    assert one.thermal.shape == (750, 960) and one.rgb.shape == one.overlay.shape == (750, 960, 3)
    assert sample(3, size=(480, 640)).fused.shape == (480, 640, 3)
