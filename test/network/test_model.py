import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from toys import image

from uaafusion_ros.network.model import decide
from uaafusion_ros.network.model import Deployed
from uaafusion_ros.network.model import Looks
from uaafusion_ros.network.model import sharpened
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset
from uaafusion_ros.network.segmentation import rgb_to_ycrcb


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return UAAFusion(preset('fast')).eval()


def frame(height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.randint(0, 256, (height, width, 3), generator=generator, dtype=torch.uint8)
    return rgb, torch.randint(0, 256, (height, width), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize('height,width', [(64, 96), (32, 160)])
def test_shapes_and_ranges(network, height, width):
    sources = [image(2, c, height, width, seed=seed, dtype=torch.float32)
               for seed, c in enumerate((1, 1, 2))]
    with torch.no_grad():
        result, guide, logits = network(*sources)
    assert result.fused.shape == (2, 1, height, width)
    assert 0 <= result.fused.min() and result.fused.max() <= 1
    assert len(result.iterates) == 4
    assert guide.w_thermal.shape == guide.targets.shape == guide.thermal.shape
    assert guide.w_thermal.shape[:2] == (2, 1)
    assert 0 < guide.w_thermal.min() and guide.w_thermal.max() < 1
    assert 0 <= guide.targets.min() and guide.targets.max() <= 1
    assert 0 <= guide.bodies.min() and guide.bodies.max() <= 1
    assert logits.shape == (2, 9, height // 4, width // 4)


def test_sharpening_keeps_what_is_smooth_and_raises_an_edge_a_little():
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 0.5
    changed = sharpened(step) - step
    assert changed[..., :3].abs().max() < 1e-6 and changed[..., 5:].abs().max() < 1e-6
    assert changed[..., 3].max() < 0 < changed[..., 4].min() and changed.abs().max() < 0.02


def test_each_source_is_looked_at_alone(network):
    thermal, luma, chroma = (image(2, c, 64, 96, seed=seed, dtype=torch.float32)
                             for seed, c in enumerate((1, 1, 2)))
    with torch.no_grad():
        by_thermal, by_luma = network.look(thermal, luma, chroma).logits
        swapped, _ = network.look(luma, thermal, chroma).logits
        gray, _ = network.look(luma, luma, torch.full_like(chroma, 0.5)).logits
    assert by_thermal.shape == by_luma.shape == (2, 9, 8, 12)
    # Thermal is seen without the RGB camera's chroma.
    torch.testing.assert_close(swapped, gray, atol=1e-6, rtol=0)
    assert (swapped - by_luma).abs().max() > 3e-6


def test_the_baseline_is_what_a_black_image_scores():
    network = UAAFusion(preset('fast')).eval()
    with torch.no_grad():
        network.look_at_black()
        black = torch.zeros(1, 1, 64, 64)
        scores = network.segmenter.unscaled(black, black.expand(-1, 2, -1, -1) + 0.5).softmax(1)
    assert network.log_black.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert (network.log_black.exp() - scores.mean(dim=(0, 2, 3))).abs().max() < 0.1


def test_the_targets_are_the_classes_it_was_made_with():
    network = UAAFusion(preset('fast'), [2, 3]).eval()
    logits = torch.zeros(1, 9, 4, 4)
    logits[:, 3] = 20
    looks = Looks((logits, logits), (logits, logits))
    assert network.guide(looks).targets.min() > 0.99
    assert UAAFusion(preset('fast'), [2]).guide(looks).targets.max() < 0.01
    assert UAAFusion(preset('fast'), [2, 3], [3]).guide(looks).bodies.min() > 0.99
    assert UAAFusion(preset('fast'), [2, 3], [2]).guide(looks).bodies.max() < 0.01


def test_gradients_reach_every_live_parameter():
    network = UAAFusion(preset('fast'))
    for parameter in network.parameters():
        if (parameter == 0).all():
            torch.nn.init.normal_(parameter, std=0.1)
    result, _, scores = network(*(image(2, c, 64, 64, seed=seed, dtype=torch.float32)
                                  for seed, c in enumerate((1, 1, 2))))
    (result.iterates[-1].square().sum() + scores.square().sum()).backward()
    dead = {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    # Nothing reads what the last stage would remember.
    assert dead == {'fusion.stages.2.memory.gates.weight', 'fusion.stages.2.memory.gates.bias'}


def test_bytes_in_bytes_out(network):
    with torch.no_grad():
        fused, mask, confidence = Deployed(network)(*frame())
    assert (fused.dtype, mask.dtype, confidence.dtype) == (torch.uint8,) * 3
    assert fused.shape == (64, 96, 3)
    assert mask.shape == confidence.shape == (64, 96)
    assert mask.max() < 9


def test_mask_and_confidence_are_the_winner_and_its_probability():
    logits = torch.randn(2, 4, 6, 9, generator=torch.manual_seed(0))
    mask, confidence = decide(logits, torch.Size((32, 48)))
    scores = torch.nn.functional.interpolate(
        logits, (16, 24), mode='bilinear', align_corners=False).softmax(1)
    for y, x in ((0, 0), (7, 30), (31, 47)):
        there = scores[:, :, y // 2, x // 2]
        assert torch.equal(mask[:, y, x], there.argmax(1).float())
        torch.testing.assert_close(confidence[:, y, x], there.max(1).values)


def test_the_deployed_graph_rounds_what_is_decided(network):
    rgb, thermal = frame()
    seen = {}

    def keep(module, args, output):
        seen['mask'], seen['confidence'] = decide(output[2], thermal.shape)

    handle = network.register_forward_hook(keep)
    with torch.no_grad():
        _, mask, confidence = Deployed(network)(rgb, thermal)
    handle.remove()
    assert torch.equal(mask.float(), seen['mask'][0])
    assert (confidence.float() - seen['confidence'][0] * 255).abs().max() <= 0.501


def test_the_chroma_of_the_camera_stays(network):
    grey = torch.full((64, 64), 120, dtype=torch.uint8)
    rgb = torch.randint(90, 130, (64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        fused, _, _ = Deployed(network)(rgb, grey)
    # One change for all three channels, so their differences stay but for rounding.
    for a, b in ((0, 1), (1, 2)):
        before = rgb[..., a].int() - rgb[..., b].int()
        after = fused[..., a].int() - fused[..., b].int()
        assert (before - after).abs().max() <= 1
    assert (fused.int() - rgb.int()).abs().max() > 2


@pytest.mark.parametrize('channel', [0, 1, 2])
def test_a_coloured_patch_keeps_its_colour(network, channel):
    rgb = torch.full((64, 64, 3), 60, dtype=torch.uint8)
    rgb[16:48, 16:48, channel] = 200
    with torch.no_grad():
        fused, _, _ = Deployed(network)(rgb, torch.full((64, 64), 90, dtype=torch.uint8))
    assert (fused[20:44, 20:44].argmax(2) == channel).all()


def test_the_network_is_given_thermal_luma_and_chroma(network):
    rgb, thermal = frame()
    seen = {}

    def keep(module, args):
        seen['args'] = args

    handle = network.register_forward_pre_hook(keep)
    with torch.no_grad():
        Deployed(network)(rgb, thermal)
    handle.remove()
    luma, chroma = rgb_to_ycrcb(rgb.permute(2, 0, 1).unsqueeze(0) / 255)
    want = (thermal[None, None] / 255, luma, chroma)
    for got, expected in zip(seen['args'], want):
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_fast_has_the_size_that_its_card_states():
    """3.1 million parameters and 2.6 GMAC for fusion and mask of a 640x480 pair."""
    network = UAAFusion(preset('fast')).eval()
    assert sum(p.numel() for p in network.parameters()) == 3_089_621
    luma, chroma = torch.zeros(1, 1, 480, 640), torch.zeros(1, 2, 480, 640)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(luma, luma, chroma)
    assert counter.get_total_flops() / 2e9 == pytest.approx(2.60, abs=0.02)
