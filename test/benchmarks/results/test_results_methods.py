"""Images of others on disk, and the plain mean."""

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from benchmarks.results.measure import measure  # noqa: E402
from benchmarks.results.methods import folder  # noqa: E402
from benchmarks.results.methods import mean_fusion  # noqa: E402
from benchmarks.results.methods import Method  # noqa: E402
from benchmarks.results.store import Store  # noqa: E402
from train.data import Sample  # noqa: E402
from uaafusion_ros.errors import DatasetError  # noqa: E402

RNG = np.random.default_rng(1)


def pair(name='one'):
    return Sample(name, RNG.integers(0, 256, (64, 64, 3), np.uint8),
                  RNG.integers(0, 256, (64, 64), np.uint8),
                  np.zeros((64, 64), np.uint8))


def test_the_mean_is_half_of_each():
    sample = pair()
    fused, mask = mean_fusion().fuse(sample)
    luma = sample.rgb.astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(fused - (luma + sample.thermal) / 2).max() <= 1
    assert mask is None


def test_a_folder_gives_gray_and_colour_as_they_are_and_names_what_is_missing(tmp_path):
    sample = pair()
    cv2.imwrite(str(tmp_path / 'one.png'), sample.rgb[..., ::-1])
    cv2.imwrite(str(tmp_path / 'two.png'), sample.thermal)
    method = folder('peer', tmp_path, ours=False)
    np.testing.assert_array_equal(method.fuse(sample)[0], sample.rgb)
    np.testing.assert_array_equal(method.fuse(pair('two'))[0].squeeze(), sample.thermal)
    with pytest.raises(DatasetError, match="three.*'peer' must hold one per pair"):
        method.fuse(pair('three'))
    with pytest.raises(DatasetError, match="no such folder.*'peer'"):
        folder('peer', tmp_path / 'none', ours=False)


def test_means_are_over_pairs_and_counts_add_up(tmp_path):
    samples = [pair('a'), pair('b')]
    method = Method('thermal', lambda s: (s.thermal, np.ones((64, 64), np.uint8)), ours=True)
    found = measure(method, samples, 2, Store(tmp_path))
    assert found.pairs == 2
    assert found.means['SD'] == pytest.approx(np.mean([s.thermal.std() for s in samples]))
    assert found.counts.tolist() == [[0, 2 * 64 * 64], [0, 0]]
