"""Figures of a finished run are those of its checkpoint, and a wrong checkpoint is named."""

from dataclasses import replace
import json
from pathlib import Path
import shutil

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')

from runs import settings  # noqa: E402
from runs import write_parts  # noqa: E402

from train.evaluate import evaluate  # noqa: E402
from train.fusion_phase import FusionPhase  # noqa: E402
from train.joint_phase import JointPhase  # noqa: E402
from train.pictures import pictures  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.evaluation import fusion_metrics  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402


@pytest.fixture
def joint(pairs, tmp_path):
    """A joint run that has an untrained best checkpoint, and its settings."""
    config = settings(pairs, tmp_path / 'run', 'joint', **write_parts(tmp_path))
    tensors, meta = checkpoint.load(Path(config.init))
    phase = JointPhase(config)
    checkpoint.save(tmp_path / 'run' / 'best.safetensors', tensors, phase.meta | {'step': 7})
    return phase, config


def test_a_joint_run_is_measured(joint, capsys):
    phase, config = joint
    result = evaluate(phase, config)
    assert result['step'] == 7
    with torch.no_grad():
        _, figures = phase.validate(phase.module)
        shown = pictures(phase, phase.module, 2)
    assert result['figures'] == figures
    assert {'miou', 'iou_person', 'kept_car', 'kept_person'} <= result['figures'].keys()
    # Not the metric functions are tested here but what they are given.
    third = fusion_metrics.evaluate(shown['thermal'], shown['luma'], shown['fused'])
    assert result['pairs']['2'] == third
    np.testing.assert_allclose(
        result['fusion']['EN'], np.mean([row['EN'] for row in result['pairs'].values()]))
    sample = phase.val[2]
    assert (shown['thermal'] == sample.thermal).all()
    gray = sample.rgb @ np.array([0.299, 0.587, 0.114])
    assert abs(shown['luma'] - gray).max() <= 0.5 + 1e-3
    assert list(shown) == ['thermal', 'luma', 'fused', 'w1', 'targets', 'mask', 'label']
    assert len({image.shape[:2] for image in shown.values()}) == 1
    written = json.loads((Path(config.run) / 'evaluation.json').read_text())
    assert written['figures'] == figures and written['pairs'].keys() == result['pairs'].keys()
    said = capsys.readouterr().out
    for name, value in {**figures, **result['fusion']}.items():
        assert f'{value:.4f}' in said and name in said


def test_what_is_not_defined_is_null(joint):
    """Of two black images: their correlations divide zero by zero."""
    phase, config = joint
    sample = phase.val[0]
    phase.val = [replace(
        sample, rgb=np.zeros_like(sample.rgb), thermal=np.zeros_like(sample.thermal))]
    result = evaluate(phase, config)
    text = (Path(config.run) / 'evaluation.json').read_text()
    undefined = [name for name, value in result['fusion'].items() if not np.isfinite(value)]
    assert undefined
    assert all(json.loads(text)['fusion'][name] is None for name in undefined)
    assert 'NaN' not in text and 'Infinity' not in text


def test_wrong_checkpoints_are_named(joint, pairs, tmp_path):
    phase, config = joint
    best = Path(config.run) / 'best.safetensors'
    data = best.read_bytes()
    best.write_bytes(data[:-100])
    with pytest.raises(CheckpointError, match='best.safetensors: damaged'):
        evaluate(phase, config)
    best.unlink()
    with pytest.raises(CheckpointError, match='best.safetensors: no such checkpoint'):
        evaluate(phase, config)
    shutil.copy(config.fusion, best)
    with pytest.raises(CheckpointError, match="best.safetensors: its part is 'fusion', that of"):
        evaluate(phase, config)
    tensors, _ = checkpoint.load(best)
    checkpoint.save(best, tensors, phase.meta | {'classes': ['road']})
    with pytest.raises(CheckpointError, match=r"its classes is \['road'\]"):
        evaluate(phase, config)


def test_a_fusion_run_is_shown_and_measured(pairs, tmp_path):
    config = settings(pairs, tmp_path / 'run', 'fusion')
    phase = FusionPhase(config)
    checkpoint.save(tmp_path / 'run' / 'best.safetensors', phase.module.state_dict(),
                    phase.meta | {'step': 1})
    result = evaluate(phase, config)
    assert result['figures'].keys() == {'target'}
    assert result['fusion'].keys() == {metric.name for metric in fusion_metrics.METRICS}
    with torch.no_grad():
        assert (pictures(phase, phase.module, 0)['w1'] == 128).all()
