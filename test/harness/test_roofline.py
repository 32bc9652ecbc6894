"""Operations and bytes of what PyTorch runs are counted by the book."""

import pytest

torch = pytest.importorskip('torch')

from uaafusion_ros.harness.roofline import Cost  # noqa: E402
from uaafusion_ros.harness.roofline import count  # noqa: E402
from uaafusion_ros.harness.roofline import Operation  # noqa: E402


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """On a busy machine two threads spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_convolution_is_counted_by_the_book():
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    cost = count(lambda: conv(torch.zeros(1, 3, 10, 20)), list(conv.parameters()))
    # 27 multiply-adds for each of 8 x 200 values; weights, input and output once each.
    assert cost.flops == 2 * 27 * 8 * 200
    assert cost.bytes == 4 * (8 * 27 + 3 * 200 + 8 * 200)
    assert cost.weights_bytes == 4 * 8 * 27


def test_groups_halves_and_products_are_counted():
    depthwise = torch.nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False).bfloat16()
    cost = count(lambda: depthwise(torch.zeros(1, 4, 8, 8).bfloat16()), [])
    assert (cost.flops, cost.bytes) == (2 * 9 * 4 * 64, 2 * (36 + 2 * 256))
    cost = count(lambda: torch.zeros(2, 3) @ torch.zeros(3, 5), [])
    assert (cost.flops, cost.bytes) == (2 * 2 * 3 * 5, 4 * (6 + 15 + 10))


def test_derivatives_are_counted():
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False).requires_grad_(False)
    image = torch.zeros(1, 3, 10, 20, requires_grad=True)
    cost = count(lambda: torch.autograd.grad(conv(image).sum(), image), [])
    assert cost.flops == 2 * (2 * 27 * 8 * 200)


def test_each_operation_is_bound_by_its_own_limit():
    cost = Cost((Operation(100, 1), Operation(1, 100)), 0)
    assert cost.seconds(10, 10) == 20
    assert cost.seconds(100, 1) == 101
