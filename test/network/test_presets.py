"""What every preset must do, whatever its parts."""

import pytest
import torch
from toys import image
from toys import parameters
from toys import ToySegmenter

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.build import make_segmenter
from uaafusion_ros.network.exact import fuse_exactly
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset
from uaafusion_ros.network.presets import PRESETS

# What cannot get a gradient from the last iterate: the last stage's memory and the first stage's
# gates on a state that is not there; in the published network also its step and spare unit.
NO_STATE = ('stages.0.memory.from_hidden.',)
DEAD = {
    'fast': ('stages.2.memory.',),
    'paper': ('stages.4.memory.', *NO_STATE),
    'release': ('stages.4.memory.', *NO_STATE, 'spare_start.',
                *(f'stages.{k}.step.rho' for k in range(5))),
}


def sources(batch=2, height=32, width=64):
    return [image(batch, channels, height, width, seed=seed, dtype=torch.float32)
            for seed, channels in ((1, 1), (2, 1), (3, 2))]


def test_every_preset_is_covered_here():
    assert set(DEAD) == set(PRESETS)


@pytest.mark.parametrize('name', PRESETS)
def test_fusion_gives_one_image_per_stage(name):
    spec = preset(name)
    fusion, segmenter = make_fusion(spec).eval(), make_segmenter(spec).eval()
    result = fuse_exactly(spec, fusion, segmenter, *sources())
    assert len(result.iterates) == spec.stages + 1
    assert {tuple(i.shape) for i in result.iterates} == {(2, 1, 32, 64)}
    assert len(result.attention) == spec.stages
    assert (result.attention[0] == 0).all()
    assert result.thermal.shape == result.luma.shape == (2, spec.classes)
    assert ((result.w_thermal >= 0) & (result.w_thermal <= 1)).all()
    assert all(torch.isfinite(i).all() for i in result.iterates)


@pytest.mark.parametrize('name', PRESETS)
def test_gradients_reach_every_live_parameter_of_the_fusion(name):
    spec = preset(name)
    # An untrained segmenter attributes nothing, w1 is one half and the first step stands still.
    fusion, segmenter = make_fusion(spec), ToySegmenter(spec.classes).float()
    # Some units start at zero, behind which no gradient passes in the first step.
    for parameter in fusion.parameters():
        if (parameter == 0).all():
            torch.nn.init.normal_(parameter, std=0.1)
    fuse_exactly(spec, fusion, segmenter, *sources()).iterates[-1].square().sum().backward()
    dead = {n for n, p in fusion.named_parameters() if p.grad is None or not p.grad.any()}
    assert dead == {n for n, _ in fusion.named_parameters() if n.startswith(DEAD[name])}


@pytest.mark.parametrize('name', PRESETS)
def test_gradients_reach_every_parameter_of_the_segmenter(name):
    segmenter = make_segmenter(preset(name))
    _, luma, chroma = sources(height=64, width=128)  # at 0.6 of that more than one value is left
    segmenter(luma, chroma).square().sum().backward()
    assert not [n for n, p in segmenter.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.slow
@pytest.mark.parametrize('name', PRESETS)
def test_a_state_dict_restores_the_network(name):
    spec = preset(name)
    fusion, segmenter = make_fusion(spec).eval(), make_segmenter(spec).eval()
    twins = make_fusion(spec).eval(), make_segmenter(spec).eval()
    for twin, one in zip(twins, (fusion, segmenter)):
        twin.load_state_dict(one.state_dict())
    want = fuse_exactly(spec, fusion, segmenter, *sources())
    got = fuse_exactly(spec, *twins, *sources())
    assert torch.equal(got.iterates[-1], want.iterates[-1])


def test_the_release_has_the_published_size():
    spec = preset('release')
    assert parameters(make_fusion(spec)) == 1_010_380
    assert parameters(make_segmenter(spec)) == 3_255_519
    # The paper's has no spare unit, and slopes that are not learned.
    slopes = 5 * 6 + 2
    assert parameters(make_fusion(preset('paper'))) == 1_010_380 - 9_538 - slopes


def test_a_preset_without_a_closed_form_is_not_deployed():
    for name in ('paper', 'release'):
        with pytest.raises(ParameterError, match=f"'{name}' asks autograd"):
            UAAFusion(preset(name))


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ParameterError, match="'slow' is unknown; known: fast, paper, release"):
        preset('slow')


def test_a_fresh_paper_network_passes_both_sources_on():
    """What reaches the last image of some forty convolutions without a way around."""
    torch.manual_seed(0)
    fusion = make_fusion(preset('paper')).requires_grad_(False)
    sources = [image(1, 1, 32, 32, seed=s, dtype=torch.float32) for s in (1, 2)]
    even = torch.full((1, 1, 32, 32), 0.5)

    def fused(thermal, luma):
        return fusion(thermal, luma, even, lambda stage, iterates: even * 0)[-1]

    before = fused(*sources)
    for changed in ((sources[0].flip(3), sources[1]), (sources[0], sources[1].flip(3))):
        assert (fused(*changed) - before).abs().mean() > 0.02
