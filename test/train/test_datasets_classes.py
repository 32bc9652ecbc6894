"""Label files of any kind become class ids, or say what is wrong with them."""

from dataset_trees import save
from dataset_trees import save_indexed
from dataset_trees import scene
from dataset_trees import write_tree
import numpy as np
import pytest

from train.config import Source
from train.data import palette_of
from train.data import read
from train.datasets.classes import ClassMap
from train.datasets.classes import decode
from train.datasets.classes import load_classes
from uaafusion_ros.errors import DatasetError
from uaafusion_ros.imaging.files import read_label

THREE = ClassMap({'ground': (0, 0, 0), 'box': (200, 60, 40), 'disc': (250, 220, 20)})
LABEL = scene(0)[2]


def colours(label, palette=THREE.palette):
    return np.uint8(list(palette.values()))[label]


def test_ids_colours_and_other_values_mean_the_same():
    for image in (LABEL, LABEL.astype(np.uint16), np.repeat(LABEL[..., None], 3, 2),
                  colours(LABEL)):
        np.testing.assert_array_equal(decode(image, THREE, 'mine'), LABEL)
    other = ClassMap(THREE.palette, {7: 0, 9: 0, 300: 1, 2: 2, 8: 255})
    image = np.uint16([[7, 9, 300], [2, 8, 255]])
    np.testing.assert_array_equal(decode(image, other, 'mine'), [[0, 0, 1], [2, 255, 255]])


def test_255_means_no_label_unless_it_is_a_class():
    image = np.uint8([[0, 255]])
    np.testing.assert_array_equal(decode(image, THREE, 'mine'), [[0, 255]])
    two = ClassMap({'ground': (0, 0, 0), 'thing': (9, 9, 9)}, {0: 0, 255: 1})
    np.testing.assert_array_equal(decode(image, two, 'mine'), [[0, 1]])


@pytest.mark.parametrize('image, message', [
    (np.uint8([[0, 3]]), 'class id 3, but mine has ids 0 to 2'),
    (np.uint8([[[200, 60, 41]]]), r'1 pixels of colours that .* such as \(200, 60, 41\)'),
    (np.zeros((2, 2, 4), np.uint8), '4 channels of uint8; a label image has one channel'),
    (np.zeros((2, 2), np.float32), '1 channels of float32'),
])
def test_what_no_class_has_is_named(image, message):
    with pytest.raises(DatasetError, match=message):
        decode(image, THREE, 'mine')
    with pytest.raises(DatasetError, match='value 1, but mine has the values 0, 5, 255'):
        decode(np.uint8([[1]]), ClassMap({'a': (0, 0, 0), 'b': (1, 2, 3)}, {0: 0, 5: 1}), 'mine')


@pytest.mark.parametrize('depth', [1, 2, 4, 8])
def test_indexed_png_gives_its_indices(tmp_path, depth):
    """Even where its palette has one colour for two ids."""
    path = tmp_path / 'label.png'
    label = np.minimum(LABEL, 2 ** depth - 1)
    save_indexed(path, label, [[7, 7, 7]] * 2 ** depth, depth)
    np.testing.assert_array_equal(read_label(path), label)
    save(path, LABEL)
    np.testing.assert_array_equal(read_label(path), LABEL)


def test_pairs_with_colours_values_and_indices(tmp_path):
    """One set may hold each kind of label file."""
    root = write_tree(tmp_path, 'pairs', count=3)
    (root / 'classes.yaml').write_text(
        'classes:\n'
        '  - {name: ground, colour: [0, 0, 0], values: [0, 11]}\n'
        '  - {name: box, colour: [200, 60, 40], values: [24]}\n'
        '  - {name: disc, colour: [250, 220, 20], values: [26]}\n'
        'unlabelled: [5]\n')
    folder = root / 'train' / 'labels'
    values = np.uint8([0, 24, 26])
    save(folder / '00000D.png', colours(LABEL))
    save_indexed(folder / '00001D.png', values[scene(1)[2]], [[k, 0, 0] for k in range(256)])
    third = values[scene(2)[2]]
    third[:4], third[4:8] = 5, 11
    save(folder / '00002D.png', third)
    samples = read(Source('pairs', str(root), 'train'))
    for k, sample in enumerate(samples[:2]):
        np.testing.assert_array_equal(sample.label, scene(k)[2])
    assert (samples[2].label[:4] == 255).all() and (samples[2].label[4:8] == 0).all()
    np.testing.assert_array_equal(samples[2].label[8:], scene(2)[2][8:])
    save(folder / '00002D.png', np.full_like(third, 6))
    with pytest.raises(DatasetError, match='labels/00002D.png: value 6, but pairs has the val'):
        read(Source('pairs', str(root), 'train'))


def test_pairs_may_have_no_labels(tmp_path):
    root = write_tree(tmp_path, 'pairs')
    for split in ('train', 'val'):
        (root / split / 'labels').rename(root / split / 'label')
    with pytest.raises(DatasetError, match='train/labels: no such folder'):
        read(Source('pairs', str(root), 'train'))
    (root / 'classes.yaml').unlink()
    assert read(Source('pairs', str(root), 'train'))[0].label is None
    assert palette_of([Source('pairs', str(root), 'train')]) == {}
    (root / 'train' / 'label').rename(root / 'train' / 'labels')
    with pytest.raises(DatasetError, match=r'classes\.yaml: missing, though there are labels'):
        read(Source('pairs', str(root), 'train'))


@pytest.mark.parametrize('text, message', [
    ('classes: [', 'cannot be read'),
    ('- ground', 'expected a list of 1 to 255 classes'),
    ('classes: []', 'expected a list of 1 to 255 classes'),
    ('classes: [ground]', "class 0 is 'ground'; expected a mapping"),
    ('classes: [{name: a, color: [0, 0, 0]}]', 'class 0 is .*expected a mapping with name, col'),
    ('classes: [{name: a, colour: [0, 0]}]', "the colour of 'a' is"),
    ('classes: [{name: a, colour: [0, 0, 256]}]', "the colour of 'a' is"),
    ('classes: [{name: a, colour: red}]', "colour of 'a': 'red'; expected a list"),
    ('classes: [{name: a, colour: [0, 0, 0]}, {name: a, colour: [1, 0, 0]}]', "are named 'a'"),
    ('classes: [{name: a, colour: [0, 0, 0], values: [4]},'
     ' {name: b, colour: [1, 0, 0], values: [4]}]', 'the label value 4 is given to two classes'),
    ('classes: [{name: a, colour: [0, 0, 0]}]\nunlabelled: [0]', 'value 0 is given to two'),
    ('classes: [{name: a, colour: [0, 0, 0]}]\nignore: [9]', "'ignore' is unknown"),
])
def test_a_wrong_classes_file_is_named(tmp_path, text, message):
    path = tmp_path / 'classes.yaml'
    path.write_text(text)
    with pytest.raises(DatasetError, match=message) as raised:
        load_classes(path)
    assert str(path) in str(raised.value)
