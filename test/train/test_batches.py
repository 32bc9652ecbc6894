"""A batch is a function of seed and step alone, whoever takes which share of it."""

import pytest

torch = pytest.importorskip('torch')

import numpy as np  # noqa: E402

from train.batches import Share  # noqa: E402
from train.batches import training_batch  # noqa: E402
from train.config import Data  # noqa: E402
from train.config import Source  # noqa: E402
from train.data import read  # noqa: E402
from train.views import sources_and_mixes  # noqa: E402

DATA = Data(crop=64, batch=4)
PARTS = ('thermal', 'luma', 'chroma', 'label')


@pytest.fixture
def samples(pairs):
    return read(Source('msrs', str(pairs)))


def test_the_same_step_is_the_same_batch_and_another_is_not(samples):
    first, again = (training_batch(samples, DATA, 1, 5, 0.5) for _ in range(2))
    for part in PARTS:
        assert torch.equal(getattr(first, part), getattr(again, part))
    for seed, step in ((1, 6), (2, 5), (5, 1)):
        other = training_batch(samples, DATA, seed, step, 0.5)
        assert not torch.equal(first.thermal, other.thermal)
    # Of two rows one camera may be lost, and their images of it are alike.
    rows = [torch.cat((first.thermal[n], first.luma[n])) for n in range(4)]
    assert all(not torch.equal(a, b) for n, a in enumerate(rows) for b in rows[:n])


@pytest.mark.parametrize('processes', [1, 2, 4])
def test_shares_laid_end_to_end_are_the_batch(samples, processes):
    whole = training_batch(samples, DATA, 0, 3, 0.5)
    views = sources_and_mixes(whole, np.random.default_rng(7))
    shares = [training_batch(samples, DATA, 0, 3, 0.5, Share(rank, processes))
              for rank in range(processes)]
    for part in PARTS:
        assert torch.equal(torch.cat([getattr(s, part) for s in shares]), getattr(whole, part))
    seen = [sources_and_mixes(share, np.random.default_rng(7)) for share in shares]
    for part in range(2):
        assert torch.equal(torch.cat([view[part] for view in seen]), views[part])
