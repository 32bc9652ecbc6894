"""Images of a pair that do not fit are named; large sets are read as they are asked for."""

import cv2
from dataset_trees import save
from dataset_trees import scene
from dataset_trees import SIZE
from dataset_trees import write_tree
import numpy as np
import pytest

from train import augment
from train.config import Source
from train.data import class_counts
from train.data import names_of
from train.data import palette_of
from train.data import read
from train.data import read_all
from train.datasets.reader import Sample
from train.datasets.samples import LazySamples
from train.datasets.samples import size_of
from train.datasets.scan import find
from uaafusion_ros.errors import DatasetError


@pytest.fixture
def root(tmp_path):
    return write_tree(tmp_path, 'pairs', count=3)


@pytest.fixture
def source(root):
    return Source('pairs', str(root), 'train')


@pytest.mark.parametrize('part, image, message', [
    ('rgb', np.zeros((40, 64, 3), np.uint8),
     r'rgb/00001D.png: \(40, 64\) pixels, its partner \(48, 64\) in .*thermal/00001D.png'),
    ('thermal', np.zeros((48, 60), np.uint8),
     r'rgb/00001D.png: \(48, 64\) pixels, its partner \(48, 60\) in .*thermal/00001D.png'),
    ('labels', np.zeros((24, 32), np.uint8), r'its partner \(24, 32\) in .*labels/00001D.png'),
    ('labels', np.full(SIZE, 3, np.uint8), 'labels/00001D.png: class id 3, but pairs has ids'),
    ('labels', np.zeros((*SIZE, 4), np.uint8), 'labels/00001D.png: 4 channels of uint8'),
    ('thermal', np.zeros((*SIZE, 4), np.uint8), 'thermal/00001D.png has 4 channels of uint8'),
    ('thermal', np.full((*SIZE, 3), (200, 0, 90), np.uint8),
     'thermal/00001D.png is coloured; a thermal image'),
])
def test_what_does_not_fit_is_named(root, source, part, image, message):
    save(root / 'train' / part / '00001D.png', image)
    with pytest.raises(DatasetError, match=message):
        read(source)


def test_missing_files_and_folders_are_named(root, source):
    (root / 'train' / 'labels' / '00002D.png').unlink()
    (root / 'train' / 'thermal' / '00001D.png').unlink()
    (root / 'train' / 'rgb' / '00000D.jpg').write_bytes(b'')
    with pytest.raises(DatasetError, match=r'rgb/00000D.png: there is also 00000D.jpg.*'
                                           r'\(and 2 more: '):
        read(source)
    (root / 'train' / 'rgb' / '00000D.jpg').unlink()
    with pytest.raises(DatasetError, match=r'thermal/00001D\.\*: missing, though the RGB image'):
        read(source)
    msrs = write_tree(root / 'msrs', 'msrs')
    (msrs / 'test' / 'Segmentation_labels').rename(msrs / 'test' / 'Labels')
    with pytest.raises(DatasetError, match='test/label or Segmentation_labels: no such folder'):
        read(Source('msrs', str(msrs), 'test'))


def test_mfnet_needs_four_channels(tmp_path):
    root = write_tree(tmp_path, 'mfnet')
    save(root / 'images' / '00001D.png', scene(1)[0])
    with pytest.raises(DatasetError, match='00001D.png: 3 channels of uint8; accepted are four'):
        read(Source('mfnet', str(root), 'train'))


def test_thermal_of_more_bits_is_stretched_and_gray_rgb_becomes_three_channels(root, source):
    counts = np.uint16(20000 + scene(1)[1].astype(int) * 3)
    save(root / 'train' / 'thermal' / '00001D.png', counts)
    save(root / 'train' / 'rgb' / '00001D.png', scene(1)[0][..., 0])
    sample = read(source)[1]
    assert sample.thermal.dtype == np.uint8
    assert sample.thermal.max() == 255 and sample.thermal.min() == 0
    order = np.argsort(counts.ravel(), kind='stable')
    assert (np.diff(sample.thermal.ravel()[order].astype(int)) >= 0).all()
    assert sample.rgb.shape == (*SIZE, 3) and (sample.rgb == sample.rgb[..., :1]).all()


def test_large_sets_are_read_on_access_and_kept_while_there_is_room(root, source):
    """A pair that was kept survives its file; one beyond the room is read again."""
    whole = read(source)
    assert isinstance(whole, list)
    room = 2 * size_of(whole[0])
    lazy = read_all((source,), memory=room)
    assert isinstance(lazy, LazySamples) and len(lazy) == 3
    for first, second in zip(whole, lazy):
        assert first.name == second.name
        np.testing.assert_array_equal(first.rgb, second.rgb)
        np.testing.assert_array_equal(first.label, second.label)
    assert lazy[np.int64(2)].name == lazy[-1].name == '00002D'
    assert [s.name for s in lazy[1:]] == ['00001D', '00002D']
    with pytest.raises(IndexError):
        lazy[3]
    for pair in find(source):
        pair.rgb.write_bytes(b'')
    assert lazy[0].rgb is lazy[0].rgb and lazy[1].name == '00001D'
    with pytest.raises(DatasetError, match='rgb/00002D.png is no readable image'):
        lazy[2]


def test_names_and_counts_need_no_images(root, source):
    lazy = LazySamples(find(source))
    whole = read(source)
    for pair in lazy.pairs:
        pair.rgb.unlink()
    assert names_of(lazy) == names_of(whole) == ['00000D', '00001D', '00002D']
    counts = sum(np.bincount(scene(k)[2].ravel(), minlength=3) for k in range(3))
    np.testing.assert_array_equal(class_counts(lazy, 3), counts)
    np.testing.assert_array_equal(class_counts(whole, 3), counts)


def test_counts_leave_out_what_has_no_label(tmp_path):
    rgb, thermal, label = scene(0)
    label[:10] = 255
    samples = [Sample('a', rgb, thermal, label), Sample('b', rgb, thermal, None)]
    assert class_counts(samples, 3).sum() == label.size - 10 * SIZE[1]
    with pytest.raises(DatasetError, match='no pixel of the training pairs has a label'):
        class_counts(samples[1:], 3)


def test_sources_of_one_training_share_their_classes(root, tmp_path):
    """Unlabelled sources may join any; MFNet and MSRS have one class list."""
    own = Source('pairs', str(root))
    assert list(palette_of([Source('tno'), own])) == ['ground', 'box', 'disc']
    assert list(palette_of([Source('msrs'), Source('llvip'), Source('mfnet')]))[1] == 'car'
    with pytest.raises(DatasetError, match=r'road.*the training has ground'):
        palette_of([own, Source('fmb')])
    small = write_tree(tmp_path / 'tno', 'tno', count=1)
    mixed = read_all((Source('tno', str(small)), Source('pairs', str(root), 'train')))
    assert [s.label is None for s in mixed] == [True, False, False, False]


def test_crops_seek_classes_not_unlabelled_pixels():
    """A square is laid over the one labelled pixel, though nearly all others have no label."""
    rgb, thermal, _ = scene(0, (96, 128))
    label = np.full((96, 128), 255, np.uint8)
    label[90, 120] = 1
    sample = Sample('a', rgb, thermal, label)
    for seed in range(20):
        crop = augment.crop(sample, 32, np.random.default_rng(seed), (1.0, 1.0), focus=1.0)[2]
        assert (crop == 1).sum() == 1


def test_jpeg_of_three_gray_channels_reads_as_one(root, source):
    """As KAIST and LLVIP keep their thermal images."""
    path = root / 'train' / 'thermal' / '00001D.png'
    path.unlink()
    gray = scene(1)[1]
    cv2.imwrite(str(path.with_suffix('.jpg')), np.repeat(gray[..., None], 3, 2))
    assert abs(read(source)[1].thermal.astype(int) - gray).mean() < 6
