"""Each data set trains with its own class list, through every phase to the exported model."""

from dataclasses import replace
from importlib.util import find_spec
import json
from pathlib import Path

from dataset_trees import save
from dataset_trees import scene
from dataset_trees import SIZE
from dataset_trees import SPLITS
from dataset_trees import write_pairs
from dataset_trees import write_tree
import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')

from runs import settings  # noqa: E402
from runs import write  # noqa: E402
from runs import write_parts  # noqa: E402

from train.__main__ import main  # noqa: E402
from train.check import check  # noqa: E402
from train.config import build  # noqa: E402
from train.config import Config  # noqa: E402
from train.config import Data  # noqa: E402
from train.config import Loss  # noqa: E402
from train.config import Optim  # noqa: E402
from train.config import Source  # noqa: E402
from train.data import palette_of  # noqa: E402
from train.data import split  # noqa: E402
from train.deploy import deploy  # noqa: E402
from train.joint_phase import JointPhase  # noqa: E402
from train.segmentation_phase import SegmentationPhase  # noqa: E402
from uaafusion_ros.engine.loading import load_backend  # noqa: E402
from uaafusion_ros.errors import DatasetError  # noqa: E402
from uaafusion_ros.errors import ParameterError  # noqa: E402
from uaafusion_ros.evaluation.replay.labels import LabelBook  # noqa: E402
from uaafusion_ros.frames import Frame  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.build import make_fusion  # noqa: E402
from uaafusion_ros.network.build import make_segmenter  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402

COUNTS = {'msrs': 9, 'fmb': 15, 'mfnet': 9, 'pst900': 5, 'pairs': 3}


def own_pairs(root, count):
    """Write pairs of one's own with `count` classes, of which the scenes show three."""
    write_tree(root, 'pairs')
    (root / 'classes.yaml').write_text('classes:\n' + ''.join(
        f'  - {{name: kind {k}, colour: [{k}, {2 * k}, 9]}}\n' for k in range(count)))
    return root


def sources_of(layout, root):
    """Write a tree of a layout and return its sources to train and to validate on."""
    write_tree(root, layout)
    if layout == 'kaist':
        return Source('kaist', str(root / 'images' / 'set03')), Source(
            'kaist', str(root / 'images' / 'set06'))
    splits = SPLITS[layout]
    if len(splits) == 1:
        other = write_tree(root.with_name('other'), layout)
        return Source(layout, str(root)), Source(layout, str(other))
    return Source(layout, str(root), splits[0]), Source(layout, str(root), splits[-1])


def fit(folder, phase, data, **parts):
    """Run ten steps of a phase by the command, checked first; return the settings."""
    parts = {'preset': 'fast'} | parts
    config = Config(phase=phase, run=str(folder / f'{phase}_{parts["preset"]}'), threads=1,
                    accelerator='cpu', data=data, **parts,
                    optim=Optim(steps=10, warmup=1, validate_every=10, save_every=10))
    path = str(write(config, folder / f'{phase}.yaml'))
    assert main(['check', '--config', path]) == 0
    assert main(['fit', '--config', path]) == 0
    return config


def deployed_spec(model):
    """Fuse one pair by a model file; return the classes that it, replay and the node know."""
    backend = load_backend(model, backend='torch' if model.suffix == '.safetensors' else
                           'onnxruntime')
    spec = backend.spec
    rgb, thermal, label = scene(0)
    found = backend.infer(rgb, thermal)
    backend.close()
    assert found.fused.shape == (*SIZE, 3) and found.mask.max() < len(spec.classes)
    assert spec.palette.shape == (len(spec.classes), 3)
    book = LabelBook(spec.classes)
    book.add_label(Frame(label, 0, 'rgb', 'mono8'))
    book.add_mask(0, found.mask)
    assert [row['name'] for row in book.result()['classes']] == list(spec.classes)
    if find_spec('rclpy'):  # what the node says the mask's numbers mean
        from uaafusion_ros.nodes.latched import labels_json
        topic = json.loads(labels_json(spec))
        assert [topic[str(k)]['name'] for k in range(len(spec.classes))] == list(spec.classes)
    return spec


@pytest.mark.slow
@pytest.mark.parametrize('layout', SPLITS)
def test_ten_steps_of_each_phase_and_the_model_that_comes_of_them(tmp_path, layout):
    """
    Sets without labels are trained on beside one's own twelve classes.

    The export takes a minute and no notice of layouts, so that one stands for all.
    """
    first, second = sources_of(layout, tmp_path / 'set')
    data = Data(train=(first,), val=(second,), crop=32, batch=2)
    fused = fit(tmp_path, 'fusion', data)
    count = COUNTS.get(layout, 12)
    if layout not in COUNTS:
        own = str(own_pairs(tmp_path / 'own', count))
        data = replace(data, train=(first, Source('pairs', own, 'train')),
                       val=(Source('pairs', own, 'val'),))
    fit(tmp_path, 'segmentation', data)
    joint = fit(tmp_path, 'joint', data, fusion=f'{fused.run}/best.safetensors')
    models = [Path(joint.run) / 'best.safetensors']
    if layout == 'fmb':
        models += deploy(joint, tmp_path / 'models')
    for model in models:
        spec = deployed_spec(model)
        assert len(spec.classes) == count
        assert dict(zip(spec.classes, map(tuple, spec.palette.tolist()))) == palette_of(data.train)


@pytest.mark.slow
@pytest.mark.parametrize('layout', ['fmb', 'pairs'])
def test_ten_steps_under_exact_attributions(tmp_path, layout):
    """They take seconds each, so two class lists stand for all."""
    first, second = sources_of(layout, tmp_path / 'set')
    names = list(palette_of((first,)))
    torch.manual_seed(0)
    for part, make in (('fusion', make_fusion), ('segmenter', make_segmenter)):
        made = make(replace(preset('paper'), classes=len(names)))
        checkpoint.save(tmp_path / f'{part}.safetensors', made.state_dict(), {
            'part': part, 'preset': 'paper', 'classes': names})
    config = fit(tmp_path, 'exact', Data(train=(first,), val=(second,), crop=32, batch=2),
                 preset='paper', loss=Loss(attention_every=5),
                 fusion=str(tmp_path / 'fusion.safetensors'),
                 segmenter=str(tmp_path / 'segmenter.safetensors'))
    path, = deploy(config, tmp_path / 'models')
    assert checkpoint.load(path)[1]['classes'] == names


@pytest.mark.parametrize('count', [3, 12, 40])
def test_a_step_of_any_number_of_classes(tmp_path, count):
    root = str(own_pairs(tmp_path / 'own', count))
    config = settings('', tmp_path / 'run', 'joint', **write_parts(tmp_path))
    data = replace(config.data, train=(Source('pairs', root, 'train'),),
                   val=(Source('pairs', root, 'val'),))
    for phase in (SegmentationPhase, JointPhase):
        work = phase(replace(config, data=data))
        assert torch.isfinite(work.loss(0)[0])
        work.module.eval()
        with torch.no_grad():
            assert work.validate(work.module)[0] >= 0


def test_weights_of_another_class_list_keep_what_both_know(tmp_path, capsys):
    """Whatever the order; a class that is new begins afresh, all other layers are taken."""
    root = write_tree(tmp_path / 'own', 'pairs')
    (root / 'classes.yaml').write_text(
        'classes:\n' + ''.join(f'  - {{name: {name}, colour: [{k}, 0, 0]}}\n' for k, name in
                               enumerate(('unlabelled', 'dog', 'car'))))
    init = write_parts(tmp_path)['init']
    config = settings('', tmp_path / 'run', 'joint', init=init)
    data = replace(config.data, train=(Source('pairs', str(root), 'train'),),
                   val=(Source('pairs', str(root), 'val'),))
    module = JointPhase(replace(config, data=data)).module
    said = capsys.readouterr().err
    assert 'kept for unlabelled, car, new for dog' in said
    before, _ = checkpoint.load(tmp_path / 'network.safetensors')
    after = module.state_dict()
    layer = 'segmenter.classify.2.weight'
    assert torch.equal(after[layer][[0, 2]], before[layer][:2])
    assert after[layer].shape[0] == 3 and module.targets.tolist() == [0, 0, 1]
    for name in ('segmenter.lateral.0.0.weight', 'mask_head.from_looks.weight'):
        assert torch.equal(after[name], before[name])


CITY = {'unlabelled': ['unlabelled', 'road', 'sky'], 'car': ['car', 'truck', 'bus'],
        'bike': ['bicycle'], 'person': ['person']}


def test_class_lists_merge_by_a_mapping(tmp_path):
    """Ids go by names, not by their order; what a set does not tell is hidden behind label 0."""
    msrs, fmb = (write_tree(tmp_path / name, name) for name in ('msrs', 'fmb'))
    label = np.zeros(SIZE, np.uint8)
    label[:, :9 * 4] = np.repeat([0, 1, 7, 8, 9, 10, 11, 13, 3], 4)
    save(fmb / 'train' / 'Label' / '00000D.png', label)
    sources = (Source('msrs', str(msrs), 'train'),
               Source('fmb', str(fmb), 'train', classes=CITY))
    names = list(palette_of(sources))
    assert names == list(palette_of(sources[:1])) and len(names) == 9
    train, val, _ = split(Data(train=sources, val=(replace(sources[1], split='test'),)))
    found = train[2].label[0, :9 * 4:4]
    assert found.tolist() == [0, 0, 0, 2, 1, 1, 1, 3, 255]
    assert [names[k] for k in train[2].hidden] == names[4:] and not train[0].hidden
    assert [names[k] for k in val[0].hidden] == names[4:]
    report = check(sources[1], names=names)
    assert report.classes == tuple(CITY) and report.unlabelled > 0


@pytest.mark.parametrize('mapping,message', [
    ({'car': ['car', 'lorry']}, "has no class 'lorry'; it has unlabelled, road"),
    ({'car': ['car'], 'person': ['person', 'car']}, "'car' of .* is listed twice"),
    ({'vehicle': ['car']}, 'has the classes vehicle, but the training has unlabelled, car'),
    ({'car': ['unlabelled', 'car']}, "'car', may hide it and must be the first of the training"),
])
def test_mappings_that_cannot_be(tmp_path, mapping, message):
    fmb = Source('fmb', str(write_tree(tmp_path, 'fmb')), 'train', classes=mapping)
    with pytest.raises(DatasetError, match=message):
        palette_of((Source('msrs'), fmb))


def test_a_mapping_comes_from_the_settings(pairs, tmp_path, capsys):
    config = settings(pairs, tmp_path / 'run')
    path = write(config, tmp_path / 'c.yaml')
    values = json.loads(path.read_text())
    merged = {'ground': ['unlabelled'], 'target': ['person', 'car']}
    for part in ('train', 'val'):
        values['data'][part][0] |= {'classes': merged, 'root': str(pairs)}
    values['data']['val'][0]['classes'] = dict(reversed(merged.items()))
    path.write_text(json.dumps(values))
    main(['check', '--config', str(path)])
    said = capsys.readouterr().out
    assert 'share of the labelled pixels: ground ' in said and 'target ' in said
    values['data']['train'][0]['classes'] = {'target': 'person'}
    path.write_text(json.dumps(values))
    assert main(['check', '--config', str(path)]) == 2
    assert "'data.train[0].classes': expected lists" in capsys.readouterr().err


@pytest.mark.parametrize('override,message', [
    ('data.crop=40', "'data.crop': 40; expected a multiple of 32"),
    ('data.val=[]', "'data.val' is empty"),
    ('optim.steps=0', "'optim.steps': 0, expected 1 or more"),
    ('phase=joint', "'fusion' is empty"),
    ('phase=joint init=none.safetensors', 'none.safetensors: no such checkpoint'),
    ('data.batch=3 devices=2', '3 samples cannot be shared evenly by 2'),
    ('views=sonar', "'views': 'sonar' is unknown"),
    ('data.val=[{layout: tno, root: TNO}]', 'no pixel of the validation pairs has a label'),
    ('data.train=[{layout: tno, root: TNO}]', 'no pixel of the training pairs has a label'),
])
def test_what_fit_refuses_check_refuses_with_the_same_words(
        pairs, tmp_path, capsys, override, message):
    tno = write_tree(tmp_path / 'tno', 'tno')
    path = str(write(settings(pairs, tmp_path / 'run'), tmp_path / 'c.yaml'))
    overrides = [override.replace('TNO', str(tno))] if '{' in override else override.split()
    if 'data.val' not in override:
        # Pairs of the made-up set are in train and in val; check tells that, too.
        overrides.append(f'data.val=[{{layout: msrs, root: {write_val(tmp_path)}}}]')
    for verb in ('fit', 'check'):
        assert main([verb, '--config', path, *overrides]) == 2
        assert message in ''.join(capsys.readouterr())


def write_val(folder):
    """Write other pairs to validate on."""
    return write_pairs(folder / 'val', seed=1) if not (folder / 'val').exists() else folder / 'val'


def test_classes_must_be_lists():
    with pytest.raises(ParameterError, match='expected lists of the set'):
        build(Source, {'classes': {'car': []}}, '')
