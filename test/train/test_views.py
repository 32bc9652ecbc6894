"""What the segmentation network is shown: each view by its pixels, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from train import losses  # noqa: E402
from train.batches import Batch  # noqa: E402
from train.config import Config  # noqa: E402
from train.views import make_views  # noqa: E402
from train.views import sources_and_mixes  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.errors import ParameterError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.model import UAAFusion  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    image, two = (2, 1, 64, 96), (2, 2, 64, 96)
    return Batch(torch.rand(image, generator=generator), torch.rand(image, generator=generator),
                 torch.rand(two, generator=generator), torch.zeros(2, 64, 96), slice(0, 2), 2)


@pytest.fixture
def joint(tmp_path):
    """Path of a whole network with fresh weights."""
    path = tmp_path / 'joint.safetensors'
    torch.manual_seed(0)
    checkpoint.save(path, UAAFusion(preset('fast')).state_dict(), {
        'part': 'network', 'preset': 'fast',
        'class_weights': losses.class_weights(torch.linspace(0.9, 0.01, 9)).tolist()})
    return path


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
        batch.thermal, batch.luma, batch.chroma, batch.label)), slice(1, 2), 2)
    part, _ = sources_and_mixes(second, np.random.default_rng(5))
    assert torch.equal(part, whole[1:])


def test_the_fused_view_is_the_frozen_networks_and_draws_nothing(batch, joint):
    torch.manual_seed(3)
    views = make_views(Config(views='fused', network=str(joint)))
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1)), 'a run would start from other weights'
    luma, chroma = views.training(batch, np.random.default_rng(0))
    assert luma.shape == batch.luma.shape and not luma.requires_grad
    assert 0 <= luma.min() and luma.max() <= 1
    assert not torch.equal(luma, (batch.luma + batch.thermal) / 2)
    assert torch.equal(chroma, batch.chroma)


def test_an_unknown_view_and_a_missing_network_are_named(tmp_path):
    config = Config(views='infrared')
    with pytest.raises(ParameterError, match="'infrared' is unknown; known: mixed, rgb, thermal"):
        make_views(config)
    missing = str(tmp_path / 'none.safetensors')
    with pytest.raises(CheckpointError, match='none.safetensors: no such checkpoint'):
        make_views(replace(config, views='fused', network=missing))
