"""Each data set is found and read in the folders it is published in."""

from pathlib import Path

from dataset_trees import FOLDERS
from dataset_trees import save
from dataset_trees import scene
from dataset_trees import SIZE
from dataset_trees import SPLITS
from dataset_trees import write_tree
import numpy as np
import pytest

from train.check import main as check
from train.config import Source
from train.data import LAYOUTS
from train.data import palette_of
from train.data import read
from train.datasets.scan import scan_source
from uaafusion_ros.errors import DatasetError

REAL = Path(__file__).resolve().parents[3] / 'shared' / 'data'
LABELLED = ('msrs', 'fmb', 'mfnet', 'pst900', 'pairs')


def same(sample, seed, exact):
    """Tell whether a sample is the scene of `seed`; JPEG files only nearly are."""
    rgb, thermal, label = scene(seed)
    error = max(abs(sample.rgb.astype(int) - rgb).mean(),
                abs(sample.thermal.astype(int) - thermal).mean())
    return error == 0 if exact else error < 12


# KAIST's twelve sets are made up in the test after this one.
@pytest.mark.parametrize('layout', [name for name in SPLITS if name != 'kaist'])
def test_every_layout_is_read_by_split(tmp_path, layout):
    """The right pairs, in order, channels in order, labels where the set has them."""
    root = write_tree(tmp_path / layout, layout)
    exact = FOLDERS[layout][3] == '.png'
    seed = 0
    for split in SPLITS[layout]:
        samples = read(Source(layout, str(root), split))
        assert [s.name for s in samples] == [f'{seed:05}D', f'{seed + 1:05}D']
        for sample in samples:
            assert same(sample, seed, exact)
            assert sample.rgb.shape == (*SIZE, 3) and sample.thermal.shape == SIZE
            if layout in LABELLED:
                np.testing.assert_array_equal(sample.label, scene(seed)[2])
            else:
                assert sample.label is None
            seed += 1
    assert bool(palette_of([Source(layout, str(root))])) == (layout in LABELLED)


def test_kaist_takes_every_video_of_the_sets_of_a_split(tmp_path):
    """Names tell equal file names of many folders apart; a missing set is named."""
    root = write_tree(tmp_path, 'kaist')
    scan = scan_source(Source('kaist', str(root), 'train'))
    assert [p.name for p in scan.pairs] == ['set03/V000/I00000', 'set03/V000/I00001']
    assert len(scan.defects) == 5 and 'set00/V*/visible: no such folder' in scan.defects[0]
    for k in range(6):
        for part, image in zip(('visible', 'lwir'), scene(k)):
            save(root / 'images' / f'set{k:02}' / 'V001' / part / 'I00019.jpg', image)
    samples = read(Source('kaist', str(root), 'train'))
    assert len(samples) == 8 and samples[-1].name == 'set05/V001/I00019'
    assert same(samples[-1], 5, exact=False)
    one = read(Source('kaist', str(root / 'images' / 'set03')))
    assert [s.name for s in one] == ['V000/I00000', 'V000/I00001', 'V001/I00019']


def test_roadscene_has_classes_where_it_has_masks(tmp_path):
    """Its masks tell cars and persons alone; without masks it may join any other set."""
    bare = write_tree(tmp_path / 'bare', 'roadscene')
    fmb = Source('fmb', 'fmb')
    assert palette_of([fmb, Source('roadscene', str(bare))]) == palette_of([fmb])
    for part, image in zip(('vi', 'ir'), scene(0)):
        save(tmp_path / 'unmasked' / part / 'FLIR_00006.png', image)
    assert read(Source('roadscene', str(tmp_path / 'unmasked')))[0].label is None
    for part, image in zip(('vi', 'ir', 'label'), scene(0)):
        save(tmp_path / 'masked' / part / 'FLIR_00006.png', image)
    source = Source('roadscene', str(tmp_path / 'masked'))
    sample, = read(source)
    np.testing.assert_array_equal(sample.label, scene(0)[2])
    names = list(palette_of([source]))
    assert [names[n] for n in sample.hidden] == [
        name for name in names[1:] if name not in ('car', 'person')]


@pytest.mark.parametrize('layout,camera,folders,known', [
    ('camvid', 'rgb', ('rgb', 'labels'), {'car', 'person'}),
    ('msrs_thermal', 'thermal', ('thermal', 'labels'), {'car', 'person', 'bike'})])
def test_sets_of_one_camera(tmp_path, capsys, layout, camera, folders, known):
    """The other image is black; label 0 rules out only what is annotated."""
    for seed in range(2):
        images = dict(zip(('rgb', 'thermal', 'labels'), scene(seed)))
        for part in folders:
            save(tmp_path / part / f'{seed:05}D.png', images[part])
    source = Source(layout, str(tmp_path))
    samples = read(source)
    assert [s.name for s in samples] == ['00000D', '00001D']
    for seed, sample in enumerate(samples):
        rgb, thermal, label = scene(seed)
        images = {'rgb': rgb, 'thermal': thermal}
        assert sample.cameras == camera
        np.testing.assert_array_equal(getattr(sample, camera), images.pop(camera))
        (other, image), = images.items()
        assert getattr(sample, other).shape == image.shape and not getattr(sample, other).any()
        np.testing.assert_array_equal(sample.label, label)
        names = list(palette_of([source]))
        assert {names[n] for n in sample.hidden} == set(names[1:]) - known
    assert check([layout, str(tmp_path)]) == 0
    assert f'2 pairs: 2 of {SIZE[1]}x{SIZE[0]}' in capsys.readouterr().out
    (tmp_path / 'labels' / '00001D.png').unlink()
    with pytest.raises(DatasetError, match=r'labels/00001D\.\*: missing'):
        read(source)


def test_without_a_split_the_root_is_its_folder(tmp_path):
    root = write_tree(tmp_path, 'fmb')
    names = [s.name for s in read(Source('fmb', str(root / 'test')))]
    assert names == [s.name for s in read(Source('fmb', str(root), 'test'))]
    with pytest.raises(DatasetError, match='Visible: no such folder; a fmb set keeps its RGB '
                                           'images in Visible/ .* known are train, test'):
        read(Source('fmb', str(root)))
    root = write_tree(tmp_path / 'llvip', 'llvip')
    with pytest.raises(DatasetError, match='visible: holds no image .* known are train, test'):
        read(Source('llvip', str(root)))


def test_pairs_find_their_classes_from_the_folder_of_a_split(tmp_path):
    root = write_tree(tmp_path, 'pairs')
    assert list(palette_of([Source('pairs', str(root / 'val'))])) == ['ground', 'box', 'disc']


def test_unknown_split_names_the_known_ones(tmp_path):
    with pytest.raises(DatasetError, match="split 'valid' of pst900 is unknown; known: train, t"):
        read(Source('pst900', str(tmp_path), 'valid'))
    with pytest.raises(DatasetError, match="split 'train' of tno is unknown; the set has no spl"):
        read(Source('tno', str(tmp_path), 'train'))


def test_mfnet_lists_are_followed(tmp_path):
    """Mirrored copies are left out; a listed image or a list that is missing is named."""
    root = write_tree(tmp_path, 'mfnet')
    assert len(read(Source('mfnet', str(root)))) == 4
    with pytest.raises(DatasetError, match=r'val\.txt: missing; it lists the names of the split'):
        read(Source('mfnet', str(root), 'val'))
    (root / 'val.txt').write_text('00001D\n01234N\n')
    with pytest.raises(DatasetError, match=r'images/01234N\.\*: missing, though the list'):
        read(Source('mfnet', str(root), 'val'))


def test_published_palettes():
    """Ids and colours as the authors give them; no two classes share a colour."""
    assert LAYOUTS['msrs'].classes[2] == 'person' and LAYOUTS['fmb'].classes[8] == 'person'
    assert LAYOUTS['mfnet'].palette is LAYOUTS['msrs'].palette
    assert LAYOUTS['pst900'].palette['survivor'] == (255, 255, 255)
    for name, count in (('msrs', 9), ('mfnet', 9), ('fmb', 15), ('pst900', 5)):
        colours = list(LAYOUTS[name].palette.values())
        assert len(colours) == len(set(colours)) == count


@pytest.mark.skipif(not REAL.is_dir(), reason='the real data are not here')
def test_real_sets():
    """What is at hand of MSRS, RoadScene and TNO reads whole."""
    msrs = read(Source('msrs', str(REAL / 'msrs'), 'val'))
    assert len(msrs) == 40 and msrs[0].label.max() <= 8 and msrs[0].rgb.shape == (480, 640, 3)
    assert len(scan_source(Source('msrs', str(REAL / 'msrs'), 'train')).pairs) == 242
    assert len(scan_source(Source('roadscene', str(REAL / 'roadscene'))).pairs) == 201
    tno = read(Source('tno', str(REAL / 'tno')))
    assert len(tno) == 6 and all(s.thermal.ndim == 2 for s in tno)
