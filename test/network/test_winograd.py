import pytest
import torch
import torch.nn.functional as F
from toys import image

from uaafusion_ros.network import winograd
from uaafusion_ros.network.winograd import Convolution


@pytest.mark.parametrize('size', [(8, 12), (5, 7), (1, 2), (4, 9)])
def test_equal_to_the_plain_convolution_at_any_size(size):
    x, kernel = image(2, 3, *size) - 0.5, image(5, 3, 3, 3, seed=1) - 0.5
    got = Convolution(kernel)(x)
    torch.testing.assert_close(got, F.conv2d(x, kernel, padding=1), rtol=1e-12, atol=1e-12)


def test_images_may_be_taken_one_by_one(monkeypatch):
    x, convolve = image(3, 2, 8, 9), Convolution(image(2, 2, 3, 3, seed=1))
    together = convolve(x)
    monkeypatch.setattr(winograd, 'AT_ONCE', 1)
    torch.testing.assert_close(convolve(x), together)


def test_floats_lose_little():
    x, kernel = image(1, 256, 16, 16) - 0.5, image(8, 256, 3, 3, seed=1) - 0.5
    want = F.conv2d(x, kernel, padding=1)
    got = Convolution(kernel.float())(x.float())
    assert float((got - want).abs().max() / want.abs().max()) < 2e-5
