"""The table of what presets cost counts what it says, and the budget of `fast` holds."""

from __future__ import annotations

import pytest

torch = pytest.importorskip('torch')

import presets as bench  # noqa: E402

from uaafusion_ros.engine.torch_backend import make_network  # noqa: E402
from uaafusion_ros.network.model import Deployed  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other on a busy machine take minutes for what takes a second."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_multiply_adds_are_those_of_the_convolutions():
    layer = torch.nn.Conv2d(3, 5, 3, padding=1)
    assert bench.gmac(lambda: layer(torch.zeros(1, 3, 8, 10))) == 3 * 5 * 9 * 80 / 1e9


def test_fast_with_segmentation_is_within_its_budget():
    # Tensors without data: only shapes are needed to count.
    whole = Deployed(make_network(preset('fast')).eval()).to('meta')
    images = (torch.zeros(480, 640, 3, dtype=torch.uint8, device='meta'),
              torch.zeros(480, 640, dtype=torch.uint8, device='meta'))
    with torch.no_grad():
        assert 1 < bench.gmac(lambda: whole(*images)) <= 4.5


@pytest.mark.slow
def test_every_row_has_a_figure_of_each_that_has_the_part():
    with torch.no_grad():
        fast, paper = (bench.column(name, 32, 64, 1) for name in ('fast', 'paper'))
        peer = bench.seafusion(32, 64)
    assert peer.keys() < paper.keys() < fast.keys()
    assert all(fast.values()) and all(peer.values())
    assert fast['parameters in all'] != paper['parameters in all']
    assert float(fast['GMAC: deployed, fused image and mask']) > float(fast['GMAC: fusion alone'])
