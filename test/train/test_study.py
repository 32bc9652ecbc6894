"""What a finished joint run tells of each pair, what it ships, and how it is begun again."""

from dataclasses import replace
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')

from dataset_trees import write_pairs  # noqa: E402

from train import earlier  # noqa: E402
from train.config import Config  # noqa: E402
from train.config import Data  # noqa: E402
from train.config import Source  # noqa: E402
from train.config import to_dict  # noqa: E402
from train.datasets.samples import split  # noqa: E402
from train.deploy import deploy  # noqa: E402
from train.evaluate import evaluate  # noqa: E402
from train.joint_phase import JointPhase  # noqa: E402
from train.pictures import pictures  # noqa: E402
from uaafusion_ros.engine.models import load  # noqa: E402
from uaafusion_ros.errors import DatasetError  # noqa: E402
from uaafusion_ros.errors import ModelFileError  # noqa: E402
from uaafusion_ros.evaluation.segmentation_metrics import scores  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.model import UAAFusion  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402

CLASSES = ('unlabelled', 'car', 'person', 'bike', 'curve', 'car_stop', 'guardrail', 'color_cone',
           'bump')


def start(path, classes=CLASSES):
    """Write an untrained whole network."""
    torch.manual_seed(0)
    network = UAAFusion(preset('fast'), [1, 2, 3])
    checkpoint.save(path, network.state_dict(), {
        'part': 'network', 'preset': 'fast', 'classes': list(classes), 'step': 0})
    return str(path)


@pytest.fixture
def config(pairs, tmp_path):
    """Settings of a joint run of an untrained network."""
    source = (Source('msrs', str(pairs)),)
    return Config(phase='joint', run=str(tmp_path / 'run'), init=start(tmp_path / 'a.safetensors'),
                  targets='car person', threads=1, accelerator='cpu',
                  data=Data(train=source, val=source, crop=64, batch=2))


def finish(config):
    """Write the best checkpoint of a run as the training does; return its phase."""
    phase = JointPhase(config)
    checkpoint.save(Path(config.run) / 'best.safetensors', phase.module.state_dict(),
                    phase.meta | {'step': 7, 'config': to_dict(config)})
    return phase


def test_every_pair_tells_its_counts_and_targets(config):
    phase = finish(config)
    figures = evaluate(phase, config)['figures']
    written = json.loads((Path(config.run) / 'evaluation.json').read_text())
    assert written['classes'] == list(CLASSES)
    judged = written['judged']
    assert list(judged) == [sample.name for sample in phase.val]
    pooled = sum(np.array(row['counts']) for row in judged.values())
    assert pooled.shape == (9, 9) and pooled.sum() == sum(s.label.size for s in phase.val)
    assert scores(pooled).miou == pytest.approx(figures['miou'])
    targets = [item for row in judged.values() for item in row['targets']]
    assert {item['class'] for item in targets} == {1, 2}
    assert all(item['area'] >= 80 and item['kept'] >= 0 for item in targets)
    shown = pictures(phase, phase.module, 0).values()
    assert {image.shape[:2] for image in shown} == {phase.val[0].thermal.shape}


def test_contrast_is_measured_against_both_cameras_whatever_the_network_is_given(config):
    best = []
    for inputs in ('both', 'rgb'):
        phase = JointPhase(replace(config, inputs=inputs))
        phase.module.eval()
        best.append([item.best for item in phase.judge(phase.module, phase.val[0]).found])
    assert best[0] == best[1] and best[0]


@pytest.mark.slow
def test_a_run_ships_as_a_graph_and_as_weights_that_begin_another(config, tmp_path, monkeypatch):
    phase = finish(config)
    models = tmp_path / 'models'
    graph, weights = deploy(config, models)
    listing = yaml.safe_load((models / 'models.yaml').read_text())
    digests = [load(graph, listing['models']['fast']['sha256'])[1].classes]
    assert digests == [CLASSES]
    assert listing['weights']['fast']['precision'] == 'fp16'
    _, meta = checkpoint.load(weights)
    assert meta['targets'] == [1, 2] and meta['samples'] == [s.name for s in phase.samples]
    assert meta['palette'][1] == [64, 0, 128] and meta['config']['data']['crop'] == 64

    pinned = (weights, listing['weights']['fast']['sha256'])
    monkeypatch.setattr(earlier, 'shipped_weights', lambda name: pinned)
    again = JointPhase(replace(config, init='fast', targets='bike'))
    first, second = (p.module.segmenter.state_dict() for p in (phase, again))
    assert all(torch.allclose(first[key], second[key], atol=1e-3, rtol=1e-3) for key in first)
    assert again.module.targets.nonzero().flatten().tolist() == [3]
    weights.write_bytes(weights.read_bytes() + b'0')
    with pytest.raises(ModelFileError, match='altered'):
        JointPhase(replace(config, init='fast'))


def test_weights_of_the_same_classes_in_another_order_go_by_their_names(config, tmp_path):
    other = JointPhase(replace(config, init=start(tmp_path / 'b.safetensors', CLASSES[::-1])))
    same = JointPhase(config)
    for layer in ('segmenter.classify.2.weight', 'mask_head.refine.2.bias', 'log_black'):
        first, second = (phase.module.state_dict()[layer] for phase in (same, other))
        assert torch.equal(first, second.flip(0))
    assert other.module.targets.tolist() == same.module.targets.tolist()


def test_a_fold_may_leave_nothing_of_one_source_but_not_of_all(tmp_path):
    sources = tuple(Source('msrs', str(write_pairs(tmp_path / name, count)), block=2)
                    for name, count in (('long', 4), ('short', 2)))
    train, val, draws = split(Data(train=sources, val=sources, fold=1))
    assert [sample.name for sample in val] == ['2', '3']
    assert [sample.name for sample in train] == ['0', '1', '0', '1'] and len(draws) == 4
    with pytest.raises(DatasetError, match='long, .*short: fold 4 leaves none'):
        split(Data(train=sources, val=sources, fold=4))
