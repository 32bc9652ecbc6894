"""What the segmentation network is shown: each view by its pixels, and what is refused."""

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from train.batches import Batch  # noqa: E402
from train.config import Config  # noqa: E402
from train.views import INPUTS  # noqa: E402
from train.views import make_views  # noqa: E402
from train.views import sources_and_mixes  # noqa: E402
from uaafusion_ros.errors import ParameterError  # noqa: E402


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    image, two = (2, 1, 64, 96), (2, 2, 64, 96)
    return Batch(torch.rand(image, generator=generator), torch.rand(image, generator=generator),
                 torch.rand(two, generator=generator), torch.zeros(2, 64, 96), slice(0, 2), 2,
                 torch.tensor([[True, True], [True, False]]), ((), (3,)))


@pytest.mark.parametrize('name', ('rgb', 'thermal', 'mean'))
def test_a_view_alone_is_trained_and_validated_on(batch, name):
    views = make_views(Config(views=name))
    luma, chroma = views.training(batch, np.random.default_rng(0))
    mean = (batch.luma + batch.thermal) / 2
    assert torch.equal(luma, {'rgb': batch.luma, 'thermal': batch.thermal, 'mean': mean}[name])
    assert torch.equal(chroma, torch.full_like(chroma, 0.5) if name == 'thermal' else batch.chroma)
    assert list(views.validation) == [name]
    assert torch.equal(views.validation[name](batch)[0], luma)


def test_mixed_views_lie_between_the_sources_and_the_mean_decides(batch):
    views = make_views(Config())
    seen = [views.training(batch, np.random.default_rng(seed))[0] for seed in range(12)]
    low, high = torch.minimum(batch.luma, batch.thermal), torch.maximum(batch.luma, batch.thermal)
    assert all((low - 1e-6 <= luma).all() and (luma <= high + 1e-6).all() for luma in seen)
    assert any(not torch.equal(luma, seen[0]) for luma in seen[1:])
    assert list(views.validation) == ['rgb', 'thermal', 'mean']


def test_a_process_sees_the_rows_that_one_alone_would(batch):
    whole, _ = sources_and_mixes(batch, np.random.default_rng(5))
    second = Batch(*(part[1:] for part in (
        batch.thermal, batch.luma, batch.chroma, batch.label)), slice(1, 2), 2,
        batch.cameras[:, 1:], batch.hidden[1:])
    part, _ = sources_and_mixes(second, np.random.default_rng(5))
    assert torch.equal(part, whole[1:])


def test_a_whole_network_is_given_one_camera_or_the_mean_of_both(batch):
    """`cameras` tell which images of which sample are still worth a look."""
    assert INPUTS['both'](batch) is batch
    one = INPUTS['rgb'](batch)
    assert not one.thermal.any() and torch.equal(one.luma, batch.luma)
    assert torch.equal(one.chroma, batch.chroma)
    assert one.cameras.tolist() == [[False, False], [True, False]]
    one = INPUTS['thermal'](batch)
    assert not one.luma.any() and torch.equal(one.thermal, batch.thermal)
    assert (one.chroma == 0.5).all()
    assert one.cameras.tolist() == [[True, True], [False, False]]
    one = INPUTS['mean'](batch)
    assert torch.equal(one.thermal, (batch.thermal + batch.luma) / 2)
    assert torch.equal(one.thermal, one.luma) and torch.equal(one.chroma, batch.chroma)
    assert one.cameras.tolist() == [[True, False], [True, False]]
    assert batch.cameras.tolist() == [[True, True], [True, False]]


def test_an_unknown_view_is_named():
    with pytest.raises(ParameterError, match="'infrared' is unknown; known: mixed, rgb, thermal"):
        make_views(Config(views='infrared'))
