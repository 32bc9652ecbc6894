"""`python -m train check` counts what is there and names everything that is not."""

from dataset_trees import save
from dataset_trees import scene
from dataset_trees import SIZE
from dataset_trees import write_tree
import numpy as np
import pytest

from train.check import check
from train.check import main
from train.config import Source


@pytest.fixture
def root(tmp_path):
    return write_tree(tmp_path, 'pairs', count=4)


def test_report_of_a_sound_set(root):
    label = scene(0)[2]
    label[:6] = 255
    save(root / 'train' / 'labels' / '00000D.png', label)
    report = check(Source('pairs', str(root), 'train'))
    assert report.pairs == 4 and report.sizes == {SIZE: 4} and not report.defects
    expected = np.bincount(label.ravel(), minlength=256)
    for k in range(1, 4):
        expected = expected + np.bincount(scene(k)[2].ravel(), minlength=256)
    assert report.counts == tuple(expected[:3]) and report.unlabelled == 6 * SIZE[1]
    assert report.classes == ('ground', 'box', 'disc') and report.without_labels == 0


def test_every_defect_is_named_at_once(root, capsys):
    train = root / 'train'
    save(train / 'thermal' / '00000D.png', np.zeros((40, 64), np.uint8))
    save(train / 'labels' / '00000D.png', np.full(SIZE, 9, np.uint8))
    (train / 'rgb' / '00001D.png').write_bytes(b'no image')
    (train / 'thermal' / '00002D.png').unlink()
    (train / 'rgb' / '00003D.png').unlink()
    assert main(['pairs', str(root), 'train']) == 2
    out = capsys.readouterr().out
    for text in ('its partner (40, 64)', 'labels/00000D.png: class id 9', 'no sound pair',
                 'rgb/00001D.png is no readable image', 'thermal/00002D.*: missing',
                 'thermal/00003D.png: has no RGB image', 'labels/00003D.png: has no RGB image',
                 'defects: 6'):
        assert text in out


def test_config_is_checked_whole(root, tmp_path, capsys):
    """Shares per source, pairs on both sides, sources of other classes; exit codes."""
    other = write_tree(tmp_path / 'other', 'msrs')
    config = tmp_path / 'config.yaml'
    config.write_text(
        'data:\n'
        f'  train: [{{layout: pairs, root: {root}, split: train}}]\n'
        f'  val: [{{layout: pairs, root: {root}, split: val}}]\n')
    assert main(['--config', str(config)]) == 0
    out = capsys.readouterr().out
    assert f'train: pairs {root} train\n  4 pairs: 4 of 64x48' in out
    assert 'share of the labelled pixels: ground ' in out and out.endswith('sound\n')
    swapped = f'data.val=[{{layout: pairs, root: {root}, split: train}}]'
    assert main(['--config', str(config), swapped]) == 2
    assert 'defect: 4 pairs are in train and in val: ' in capsys.readouterr().out
    mixed = f'data.val=[{{layout: msrs, root: {other}, split: test}}]'
    assert main(['--config', str(config), mixed]) == 2
    out = capsys.readouterr().out
    assert 'no pixel of: bike, curve' in out and 'one training needs one class list' in out
    assert main(['--config', str(tmp_path / 'none.yaml')]) == 2
    assert 'no such configuration file' in capsys.readouterr().err


def test_sets_without_labels_are_sound(tmp_path, capsys):
    root = write_tree(tmp_path, 'roadscene')
    assert main(['roadscene', str(root)]) == 0
    assert 'without any label: 2 pairs' in capsys.readouterr().out
    assert main(['mars', str(root)]) == 2
    assert "layout 'mars' is unknown" in capsys.readouterr().out


def test_it_is_a_verb_of_the_training(root, capsys):
    pytest.importorskip('torch')
    from train.__main__ import main as train
    assert train(['check', 'pairs', str(root), 'val']) == 0
    assert capsys.readouterr().out.endswith('sound\n')
    (root / 'val' / 'rgb' / '00005D.png').unlink()
    assert train(['check', 'pairs', str(root), 'val']) == 2


def test_odd_thermal_images_are_noted_once_and_no_defect(root, capsys):
    for k in range(4):
        counts = 7000 + scene(k)[1].astype(np.uint16) * 9
        save(root / 'train' / 'thermal' / f'{k:05}D.png', counts.byteswap())
    assert main(['pairs', str(root), 'train']) == 0
    out = capsys.readouterr().out
    assert out.count('note: ') == 1 and 'thermal/00000D.png: the high and low bytes' in out
    assert out.endswith('sound\n')
