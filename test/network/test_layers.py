import torch
from torch import nn
import torch.nn.functional as F

from uaafusion_ros.network.layers import activation
from uaafusion_ros.network.layers import ConvLSTMMemory
from uaafusion_ros.network.layers import ConvUnit
from uaafusion_ros.network.layers import GatedMemory

GATES = ('forget', 'enter', 'leave', 'candidate')


def eight_convolutions(memory):
    """Return the published cell: a convolution per gate on the input and on the hidden state."""
    cell = {}
    for source, merged in (('x', memory.from_input), ('h', memory.from_hidden)):
        for index, gate in enumerate(GATES):
            conv = nn.Conv2d(4, 4, 3, padding=1, padding_mode='reflect')
            rows = slice(4 * index, 4 * index + 4)
            conv.weight.data, conv.bias.data = merged.weight.data[rows], merged.bias.data[rows]
            cell[source, gate] = conv
    return cell


def slow_cell(cell, z, h=None, c=None):
    def gate(name):
        return cell['x', name](z) + (cell['h', name](h) if h is not None else 0)
    cell_new = torch.sigmoid(gate('enter')) * torch.tanh(gate('candidate'))
    if h is None:
        return torch.sigmoid(gate('leave')) * cell_new, cell_new
    cell_new = torch.sigmoid(gate('forget')) * c + cell_new
    return torch.sigmoid(gate('leave')) * torch.tanh(cell_new), cell_new


def test_the_merged_lstm_equals_eight_convolutions_and_skips_tanh_in_the_first_stage():
    memory = ConvLSTMMemory(4, 'reflect', 'prelu')
    nn.init.normal_(memory.from_input.weight, std=0.5)
    cell = eight_convolutions(memory)
    first, second = torch.randn(2, 12, 6, 7), torch.randn(2, 12, 6, 7)
    with torch.no_grad():
        long_1, state_1 = memory(first, None)
        long_2, state_2 = memory(second, state_1)
        h, c = slow_cell(cell, memory.refine(first))
        torch.testing.assert_close(state_1, (h, c), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(long_1, memory.to_memory(h), atol=1e-6, rtol=1e-5)
        h, c = slow_cell(cell, memory.refine(second), h, c)
        torch.testing.assert_close(state_2, (h, c), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(long_2, memory.to_memory(h), atol=1e-6, rtol=1e-5)
        # The rule matters: with tanh the first hidden state would be another.
        assert (state_1[0] - slow_cell(cell, memory.refine(first), torch.zeros_like(h),
                                       torch.zeros_like(h))[0]).abs().max() > 1e-3


def test_the_gated_memory_blends_cell_and_candidate_per_pixel():
    memory = GatedMemory(2)
    z, old = torch.randn(1, 6, 3, 4), torch.randn(1, 2, 3, 4)
    with torch.no_grad():
        long, (hidden, cell) = memory(z, (old, old))
        mixed = memory.gates(z)
        gate, candidate = torch.sigmoid(mixed[:, :2]), torch.tanh(mixed[:, 2:])
        torch.testing.assert_close(cell, gate * old + (1 - gate) * candidate)
        torch.testing.assert_close(memory(z, None)[0], (1 - gate) * candidate)
    assert long is cell and hidden is cell


def test_a_conv_unit_is_two_convolutions_with_reflected_borders():
    unit = ConvUnit(1, 3, 2, 'reflect', 'lrelu')
    x = torch.randn(1, 1, 5, 6)
    first, _, second = unit
    with torch.no_grad():
        y = F.conv2d(F.pad(x, (1, 1, 1, 1), mode='reflect'), first.weight, first.bias)
        y = torch.where(y > 0, y, 0.2 * y)
        y = F.conv2d(F.pad(y, (1, 1, 1, 1), mode='reflect'), second.weight, second.bias)
        torch.testing.assert_close(unit(x), y)


def test_prelu_has_one_shared_slope_of_a_quarter():
    act = activation('prelu')
    assert act.weight.shape == (1,)
    assert act(torch.tensor([[-4.0]])).item() == -1.0
