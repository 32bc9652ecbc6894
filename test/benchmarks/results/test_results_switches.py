"""Each switch does to the network what it says, and is taken back."""

from dataclasses import replace

import pytest

torch = pytest.importorskip('torch')

from benchmarks.results import switches  # noqa: E402
from uaafusion_ros.network.build import make_fusion  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402


@pytest.fixture(params=('fast', 'paper'))
def case(request):
    """A network with weights that do something, and what it is called with."""
    torch.manual_seed(0)
    spec = replace(preset(request.param), stages=3, channels=8)
    network = make_fusion(spec).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    thermal, luma, weights = torch.rand(3, 1, 1, 16, 24)
    weights = network.cells(weights)
    size = (16 // spec.downscale, 24 // spec.downscale)
    maps = 3 * torch.randn(3, 1, 1, *size)
    return network, (thermal, luma, weights, lambda stage, iterates: maps[stage])


def run(network, arguments, switch=switches.nothing):
    with switches.switched(network, switch):
        return network(*arguments)


@pytest.mark.parametrize('switch', (
    switches.even_weights, switches.attention_off, switches.step_off,
    switches.long_memory_off, switches.short_memory_off, switches.stages(1)))
def test_a_switch_changes_the_result_and_is_taken_back(case, switch):
    network, arguments = case
    before = run(network, arguments)[-1]
    assert (run(network, arguments, switch)[-1] - before).abs().max() > 1e-6
    assert torch.equal(run(network, arguments)[-1], before)


def test_even_weights_and_no_attention_are_what_they_say(case):
    network, (thermal, luma, weights, attention) = case
    even = network(thermal, luma, torch.full_like(weights, 0.5), attention)[-1]
    assert torch.equal(run(network, (thermal, luma, weights, attention),
                           switches.even_weights)[-1], even)
    none = network(thermal, luma, weights, lambda stage, iterates: torch.zeros(1, 1, 1, 1))[-1]
    assert torch.equal(run(network, (thermal, luma, weights, attention),
                           switches.attention_off)[-1], none)


def test_without_the_step_the_weights_do_nothing(case):
    network, (thermal, luma, weights, attention) = case
    one, other = (run(network, (thermal, luma, w, attention), switches.step_off)[-1]
                  for w in (weights, 1 - weights))
    assert torch.equal(one, other)


@pytest.mark.parametrize('switch, part', (
    (switches.long_memory_off, 1), (switches.short_memory_off, 2)))
def test_a_memory_is_zero_from_the_second_stage_on(case, switch, part):
    network, arguments = case
    seen = []
    with switches.switched(network, switch):
        hooks = [stage.inject.register_forward_pre_hook(
            lambda module, args: seen.append(args[0].chunk(3, dim=1))) for stage in network.stages]
        network(*arguments)
        for hook in hooks:
            hook.remove()
    assert seen[0][part].any()
    for chunks in seen[1:]:
        assert not chunks[part].any()
        assert all(chunks[k].any() for k in range(3) if k != part)


def test_stages_and_given_iterates(case):
    network, arguments = case
    iterates = run(network, arguments)
    short = run(network, arguments, switches.stages(2))
    assert len(short) == 3 and torch.equal(short[-1], iterates[2])
    own = [torch.zeros(1, 1, 16, 24)]
    assert run(network, arguments, switches.given(own)) is own
