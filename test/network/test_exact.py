from dataclasses import replace

import pytest
import torch
from toys import image
from toys import ToySegmenter

from uaafusion_ros.network import attribution
from uaafusion_ros.network.build import make_fusion
from uaafusion_ros.network.exact import fuse_exactly
from uaafusion_ros.network.exact import segment_with
from uaafusion_ros.network.presets import preset


@pytest.fixture(scope='module')
def pair():
    """Return thermal, luma and chroma of two pairs with regions of several classes."""
    ramp = torch.linspace(0, 1, 24, dtype=torch.float64).expand(2, 1, 16, 24)
    thermal = (0.6 * ramp + 0.4 * image(2, 1, 16, 24, seed=1))
    luma = (0.7 * ramp.flip(3) + 0.3 * image(2, 1, 16, 24, seed=2))
    return thermal, luma, image(2, 2, 16, 24, seed=3)


def fused(spec, pair, **changes):
    """Fuse with the weights of `spec` as a preset with `changes` would."""
    torch.manual_seed(0)
    network = make_fusion(spec).double().eval()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.mul_(2)  # so that what goes in is still seen at the end
    changed = replace(spec, **changes)
    other = make_fusion(changed).double().eval()
    other.load_state_dict(network.state_dict())
    return fuse_exactly(changed, other, ToySegmenter(), *pair)


def moved(a, b):
    return (a.iterates[-1] - b.iterates[-1]).abs().mean().item()


def test_in_the_paper_step_and_attention_change_the_image(pair):
    paper = preset('paper')
    whole = fused(paper, pair)
    assert moved(whole, fused(paper, pair, step='discarded')) > 1e-4
    assert moved(whole, fused(paper, pair, attention='off')) > 1e-4
    assert moved(whole, whole) == 0


def test_in_the_release_neither_does(pair):
    release = preset('release')
    published = fused(release, pair)
    torch.manual_seed(1)
    still = [published]
    for rho in (0.0, 0.9):
        still.append(fused(replace(release, step_init=rho), pair))
    assert moved(still[0], still[1]) == moved(still[0], still[2]) == 0
    assert moved(published, fused(release, pair, attention='off')) < 1e-4
    # The same weights with the step taken move, so it is the preset that makes it inert.
    assert moved(published, fused(release, pair, attention='normalised')) > 1e-4
    assert moved(fused(replace(release, step_init=0.5), pair, step='descent'), published) > 1e-4


def test_the_explanation_is_made_of_the_equations(pair):
    thermal, luma, chroma = pair
    segmenter = ToySegmenter()
    got = fused(preset('paper'), pair)
    reference = segmenter.scores((thermal + luma) / 2, chroma)
    assert torch.equal(got.classes, reference.argmax(1))
    assert len(got.classes.unique()) > 1
    for b in range(2):
        a_thermal = attribution.class_attributions(segmenter, thermal[b:b + 1], got.classes[b], 4)
        a_luma = attribution.class_attributions(
            segment_with(segmenter, chroma[b:b + 1]), luma[b:b + 1], got.classes[b], 4)
        torch.testing.assert_close(got.thermal[b], a_thermal)
        torch.testing.assert_close(got.luma[b], a_luma)
        share = [(max(t, 0) + 1e-8) / (max(t, 0) + max(y, 0) + 2e-8)
                 for t, y in zip(a_thermal.tolist(), a_luma.tolist())]
        torch.testing.assert_close(
            got.w_thermal[b, 0],
            attribution.weight_map(a_thermal.new_tensor(share), got.classes[b]))
    maps = attribution.path_attention(segment_with(segmenter, chroma), got.iterates, reference)
    stride, size = preset('paper').attention_stride, got.attention[0].shape[2:]
    for k, raw in enumerate(maps):
        pooled = attribution.normalised(torch.nn.functional.avg_pool2d(raw, stride))
        torch.testing.assert_close(got.attention[k], torch.nn.functional.interpolate(
            pooled, size=size, mode='bilinear', align_corners=False))


def test_the_release_shares_attributions_in_a_batch_and_averages_the_scores(pair):
    got = fused(preset('release'), pair)
    assert torch.equal(got.luma[0], got.luma[1])
    alone = [fused(preset('release'), [x[b:b + 1] for x in pair]) for b in range(2)]
    assert (alone[0].luma - alone[1].luma).abs().max() > 1e-6
    summed = attribution.path_attention(
        segment_with(ToySegmenter(), pair[2]), got.iterates,
        ToySegmenter().scores((pair[0] + pair[1]) / 2, pair[2]))
    torch.testing.assert_close(got.attention[3], summed[3] / (2 * 4 * 16 * 24))


def test_a_given_reference_takes_the_place_of_the_segmentation(pair):
    truth = torch.zeros(2, 4, 16, 24, dtype=torch.float64)
    truth[:, 1, :, :12], truth[:, 3, :, 12:] = 1, 1
    got = fuse_exactly(preset('paper'), make_fusion(preset('paper')).double(), ToySegmenter(),
                       *pair, reference=truth)
    assert torch.equal(got.classes, truth.argmax(1))
    assert (got.thermal[:, [0, 2]] == 0).all()
    assert (got.thermal[:, [1, 3]] != 0).all()


def test_attributions_are_constants_to_the_training(pair):
    got = fuse_exactly(preset('paper'), make_fusion(preset('paper')).double(), ToySegmenter(),
                       *pair)
    assert got.iterates[-1].requires_grad
    assert not any(x.requires_grad for x in (got.thermal, got.w_thermal, *got.attention))


def test_a_preset_in_closed_form_can_be_fused_by_the_papers_attributions(pair):
    got = fused(preset('fast'), pair)
    # Its features, and so its maps, live at a quarter of the size.
    assert {tuple(a.shape) for a in got.attention} == {(2, 1, 4, 6)}
    assert got.thermal.abs().max() > 0
