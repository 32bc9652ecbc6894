"""Shipping a run: the correction of the prior, and what is refused."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from train.config import Config  # noqa: E402
from train.deploy import correct_prior  # noqa: E402
from train.deploy import deploy  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.model import UAAFusion  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402


def test_the_prior_is_corrected_in_the_logits():
    network = UAAFusion(preset('fast')).eval()
    luma, chroma = torch.rand(1, 1, 64, 64), torch.rand(1, 2, 64, 64)
    weights = [1.0, 4.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 16.0]
    with torch.no_grad():
        before = network.segmenter(luma, chroma)
        correct_prior(network, weights, 0.5)
        change = before - network.segmenter(luma, chroma)
    expected = 0.5 * torch.tensor(weights).log().view(1, -1, 1, 1)
    assert torch.allclose(change, expected.expand_as(change), atol=1e-4)


def test_a_run_of_another_phase_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match='best.safetensors: no such checkpoint'):
        deploy(Config(run=str(tmp_path)), tmp_path)
    checkpoint.save(Path(tmp_path) / 'best.safetensors', {'a': torch.zeros(1)},
                    {'part': 'segmenter'})
    with pytest.raises(CheckpointError, match="holds a 'segmenter', not a whole network"):
        deploy(Config(run=str(tmp_path)), tmp_path)
