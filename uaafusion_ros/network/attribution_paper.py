"""
The class attributions of the published segmentation network in a fraction of the time.

a_c is the mean slope of T_c along the image inside R_c alone: one tangent per class and point of
the path, pushed forwards through the network, without a backward pass or its graph. Each image is
asked only for the classes in it, and the tangent of a class stays zero, and is not computed, in
the early layers away from R_c; the decoder, which sees two cells far, is asked for R_c alone.
There lie nine tenths of the arithmetic: most of what it convolves is features enlarged four
times, and mixing channels first and enlarging then is the same at a sixteenth of the cost; its
second convolution takes the quarter of the products that is needed. Batch norms, constants here,
are folded into their convolutions. The numbers are those of `attribution.class_attributions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import copy

import torch
from torch import nn
from torch import Tensor
import torch.nn.functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from uaafusion_ros.network.segmentation_paper import Bottleneck
from uaafusion_ros.network.segmentation_paper import PaperSegmenter
from uaafusion_ros.network.winograd import Convolution

REACH = 2  # cells that the two 3x3 convolutions of the decoder see beyond their place
SPREAD = 9  # pixels that the early layers see beyond their place
CELL = 4  # pixels of a cell of the early layers' result


@torch.no_grad()
def class_attributions(network: PaperSegmenter, image: Tensor, classes: Tensor,
                       steps: int = 5) -> Tensor:
    """
    Return the class-wise integrated gradients a_c as (C,), 0 for absent classes.

    `image` is (B, 1, H, W), `classes` (B, H, W) integer ids; the images share their regions. See
    `attribution.class_attributions`. The network is taken as in eval mode.
    """
    network = folded(network)
    again = next(m for m in reversed(network.decode) if isinstance(m, nn.Conv2d))
    products = Convolution(again.weight)
    scales = torch.arange(1, steps + 1, dtype=image.dtype, device=image.device) / steps
    result = image.new_zeros(network.classes)
    for x, ids in zip(image, classes):
        path = (x * scales.view(-1, 1, 1, 1)).contiguous(memory_format=torch.channels_last)
        tangents = _Tangents(network, path, products)
        for c in ids.unique().tolist():
            if c < network.classes:
                result[c] += tangents.slope(x, ids == c, c).mean()
    sizes = torch.stack([(classes == c).sum() for c in range(network.classes)])
    return result / sizes.clamp_min(1).to(result) ** 2


class _Tangents:
    """The network at the images (N, 1, H, W) of a path, and slopes of its scores there."""

    def __init__(self, network: PaperSegmenter, path: Tensor, products: Convolution) -> None:
        first, self._second = (m for m in network.decode if isinstance(m, nn.Conv2d))
        self._network, self._products = network, products
        self._low_gates: list[Tensor] = []
        self._high_gates: list[Tensor] = []
        low = _values(network.low, path, self._low_gates)
        high = _values(network.high, low, self._high_gates)
        short = network.shortcut(low)
        self._near, self._far = first.weight.split((short.shape[1], high.shape[1]), dim=1)
        self._rows, self._columns = (
            _enlargement(new, old, high) for new, old in zip(short.shape[2:], high.shape[2:]))
        hidden = self._join(short, high, first.bias).relu_()
        last = (products(hidden) + self._second.bias.view(-1, 1, 1)).relu_()
        self._logits = network.classify(last)
        self._short, self._hidden, self._last = short, hidden, last

    def slope(self, x: Tensor, region: Tensor, c: int) -> Tensor:
        """
        Return the slopes (N,) of class c's scores, summed over its region (H, W), on the path.

        The direction is that of the image `x` (1, H, W) inside the region.
        """
        low, high, window = self._features(x * region, region)
        shortcut = self._network.shortcut[0]
        short = torch.zeros_like(self._short)
        short[window] = _gated(
            F.conv2d(low[window], shortcut.weight), self._short[window])
        window = (..., *(_cells(region.any(axis), cells)
                         for axis, cells in zip((1, 0), short.shape[2:])))
        slope = self._join(short[window], high, None, window)
        slope = _gated(self._products(_gated(slope, self._hidden[window])), self._last[window])
        coarse = torch.zeros_like(self._logits[:, :1])
        coarse[window] = F.conv2d(slope, self._network.classify.weight[c:c + 1])
        slope, logits = (
            F.interpolate(y, size=region.shape, mode='bilinear', align_corners=True)
            for y in (coarse, self._logits[:, c:c + 1]))
        score = torch.sigmoid(logits)
        return (slope * score * (1 - score) * region).sum(dim=(1, 2, 3))

    def _features(self, direction: Tensor,
                  region: Tensor) -> tuple[Tensor, Tensor, tuple]:
        """Return the tangents of both features, and the window where the first is not zero."""
        spans = [_around(region.any(axis)) for axis in (1, 0)]
        gates = (gate[(..., *_scaled(spans, region.shape[0] // gate.shape[2]))]
                 for gate in self._low_gates)
        window = (..., *_scaled(spans, CELL))
        tangent = direction[(..., *spans)].expand(len(self._short), -1, -1, -1)
        tangent = _pushed(self._network.low, tangent, gates)
        low = tangent.new_zeros(
            len(tangent), tangent.shape[1], *self._short.shape[2:]).contiguous(
                memory_format=torch.channels_last)
        low[window] = tangent
        return low, _pushed(self._network.high, low, iter(self._high_gates)), window

    def _join(self, short: Tensor, high: Tensor, bias: Tensor | None,
              window: tuple = (..., slice(None), slice(None))) -> Tensor:
        """Return the first convolution of the decoder at `window`, `short` being only that."""
        # Taps a (vertical) and b (horizontal) of the kernel, o outputs, i inputs.
        mixed = torch.einsum('oiab,nihw->nahbwo', self._far, high)
        far = self._columns[window[2]] @ mixed.flatten(3, 4)
        far = self._rows[window[1]] @ far.flatten(1, 2).flatten(2)
        far = far.unflatten(2, (-1, mixed.shape[5])).permute(0, 3, 1, 2)
        return F.conv2d(short, self._near, bias, padding=1) + far


def _values(layers: Iterable[nn.Module], x: Tensor, gates: list[Tensor]) -> Tensor:
    """Return what `layers` make of `x`, and add what leaves each ReLU6 to `gates`."""
    for layer in layers:
        if isinstance(layer, Bottleneck):
            y = _values(layer.body, x, gates)
            x = x + y if layer.skip else y
        elif isinstance(layer, nn.ReLU6):
            x = x.clamp_(0, 6)
            gates.append(x)
        else:
            x = layer(x)
    return x


def _pushed(layers: Iterable[nn.Module], tangent: Tensor, gates: Iterator[Tensor]) -> Tensor:
    """Return the tangent of what `layers` return, from that of what they get, at `gates`."""
    for layer in layers:
        if isinstance(layer, Bottleneck):
            y = _pushed(layer.body, tangent, gates)
            tangent = tangent + y if layer.skip else y
        elif isinstance(layer, nn.ReLU6):
            tangent = torch.ops.aten.hardtanh_backward(tangent, next(gates), 0, 6)
        elif isinstance(layer, nn.Conv2d):
            tangent = F.conv2d(tangent, layer.weight, None, layer.stride, layer.padding,
                               layer.dilation, layer.groups)
    return tangent


def _gated(tangent: Tensor, values: Tensor) -> Tensor:
    """Return the tangent behind a ReLU that gave `values`."""
    return torch.ops.aten.threshold_backward(tangent, values, 0)


def _around(used: Tensor) -> slice:
    """Return the range of true values and as far as they spread, in whole cells."""
    places = used.nonzero()
    first, last = int(places[0]) - SPREAD, int(places[-1]) + SPREAD
    return slice(max(0, first // CELL * CELL), min(len(used), last // CELL * CELL + CELL))


def _scaled(spans: list[slice], stride: int) -> list[slice]:
    """Return ranges of pixels in units of `stride`, which divides them."""
    return [slice(span.start // stride, span.stop // stride) for span in spans]


def _cells(used: Tensor, count: int) -> slice:
    """Return the range of `count` cells behind true pixels of a line, widened by the reach."""
    places = used.nonzero()
    first, last = (int(place) * (count - 1) // (len(used) - 1)
                   for place in (places[0], places[-1]))
    return slice(max(0, first - REACH), last + 2 + REACH)


def _enlargement(new: int, old: int, like: Tensor) -> Tensor:
    """Return (new, 3 old): a line enlarged bilinearly, seen one before, at and one after."""
    line = torch.eye(old, dtype=like.dtype, device=like.device).unsqueeze(0)
    line = F.interpolate(line, size=new, mode='linear', align_corners=True)[0].t()
    padded = F.pad(line, (0, 0, 1, 1))
    return torch.cat([padded[tap:tap + new] for tap in range(3)], dim=1)


def folded(network: PaperSegmenter) -> PaperSegmenter:
    """Return a copy for inference whose batch norms are part of the convolutions before them."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for block in list(network.modules()):
        if isinstance(block, nn.Sequential):
            for index, (conv, norm) in enumerate(zip(block[:-1], block[1:])):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    block[index] = fuse_conv_bn_eval(conv, norm)
                    block[index + 1] = nn.Identity()
    return network.to(memory_format=torch.channels_last)
