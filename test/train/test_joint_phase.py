"""Joint training: what guides the fusion, what the losses reach, what is measured."""

from dataclasses import replace

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')

from runs import settings  # noqa: E402
from runs import write_parts  # noqa: E402

from train.joint_phase import JointPhase  # noqa: E402
from train.joint_phase import target_ids  # noqa: E402
from uaafusion_ros.errors import ParameterError  # noqa: E402


@pytest.fixture
def config(pairs, tmp_path):
    return settings(pairs, tmp_path / 'run', 'joint', **write_parts(tmp_path))


def test_a_step_trains_looks_fusion_and_mask(config):
    phase = JointPhase(config)
    phase.module.train()
    loss, parts = phase.loss(4)
    assert set(parts) == {'target', 'intensity', 'looks', 'segmentation', 'judge'}
    assert all(value == value and value >= 0 for value in parts.values())
    loss.backward()
    for part in (phase.module.segmenter, phase.module.fusion, phase.module.mask_head):
        assert any(p.grad is not None and p.grad.any() for p in part.parameters())
    assert 'judge' not in phase.loss(5)[1]


def test_the_baseline_is_taken_as_training_begins(config):
    phase = JointPhase(config)
    phase.module.log_black.fill_(0)
    phase.loss(1)
    assert not phase.module.log_black.any()
    phase.loss(0)
    assert phase.module.log_black.exp().sum().item() == pytest.approx(1, abs=1e-3)


def test_mixed_pairs_and_every_kind_of_input_are_trained_on(config):
    for inputs in ('both', 'rgb', 'thermal', 'mean'):
        changed = replace(config, inputs=inputs, data=replace(config.data, mix=1.0))
        loss, _ = JointPhase(changed).loss(1)
        assert torch.isfinite(loss)
    with pytest.raises(ParameterError, match="'sonar' is unknown; known: both, rgb, thermal, m"):
        JointPhase(replace(config, inputs='sonar'))


def test_even_weights_and_no_targets_are_trained_too(config):
    for changed in (replace(config, weights='even'), replace(config, targets='')):
        loss, _ = JointPhase(changed).loss(1)
        assert torch.isfinite(loss)


def test_targets_are_the_classes_that_exist():
    assert target_ids(('ground', 'car', 'person'), 'person bike car') == [1, 2]


def test_a_pair_is_judged_by_its_label(config):
    phase = JointPhase(config)
    phase.module.eval()
    found = phase.judge(phase.module, phase.val[0])
    label = phase.val[0].label
    assert found.fused.shape == found.mask.shape == label.shape
    assert found.counts.sum() == label.size
    assert {item.class_id for item in found.found} == {1, 2}
    score, figures = phase.validate(phase.module)
    assert score == figures['miou'] and {'kept_car', 'kept_person'} <= figures.keys()
