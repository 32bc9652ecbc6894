"""Names of any bytes and spelling are paired and read; what is no image is left out or said."""

import os
from pathlib import Path
import unicodedata

import cv2
import numpy as np
import pytest

from uaafusion_ros.errors import DatasetError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.imaging.files import read_rgb
from uaafusion_ros.imaging.files import read_thermal
from uaafusion_ros.imaging.folders import list_images
from uaafusion_ros.imaging.folders import match

IMAGE = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
DATA = cv2.imencode('.png', IMAGE)[1].tobytes()


@pytest.fixture
def folders(tmp_path):
    for name in ('rgb', 'thermal'):
        (tmp_path / name).mkdir()
    return tmp_path / 'rgb', tmp_path / 'thermal'


@pytest.mark.parametrize('name', [
    b'stra\xdfe', b'\xff\xfe', b'\x80', 'Höhe'.encode(), 'ｒ'.encode(), b'a b', b'-x', b'%s\n',
    b"it's", b'x' * 250])
def test_names_of_any_bytes_are_paired_and_read(folders, name):
    for folder in folders:
        Path(os.fsdecode(os.fsencode(folder) + b'/' + name + b'.png')).write_bytes(DATA)
    (pair,), lonely = match(*folders)
    assert not lonely
    np.testing.assert_array_equal(read_thermal(pair[1]).array, IMAGE)
    np.testing.assert_array_equal(read_rgb(pair[0])[..., 0], IMAGE)


@pytest.mark.parametrize('name', ['Höhe', 'café', 'Å', '가나', 'ṩ'])
def test_both_spellings_of_a_name_are_one(folders, name):
    for folder, form in zip(folders, ('NFC', 'NFD')):
        (folder / f'{unicodedata.normalize(form, name)}.png').write_bytes(DATA)
    pairs, lonely = match(*folders)
    assert len(pairs) == 1 and not lonely
    (folders[0] / f'{unicodedata.normalize("NFD", name)}.png').write_bytes(DATA)
    with pytest.raises(DatasetError, match='share a stem'):
        match(*folders)


def test_hidden_files_and_folders_are_no_images(folders):
    for name in ('._a.png', '.a.png', '.DS_Store', 'Thumbs.db', 'b.txt'):
        (folders[0] / name).write_bytes(b'\0\5\x16\7')
    (folders[0] / 'c.png').mkdir()
    with pytest.raises(DatasetError, match='holds no image'):
        list_images(folders[0])
    (folders[0] / 'a.png').write_bytes(DATA)
    assert list(list_images(folders[0])) == ['a']


def test_one_file_of_each_camera_is_a_pair_and_a_mixture_is_refused(folders):
    rgb, thermal = folders[0] / 'left.png', folders[1] / 'right.tiff'
    for path in (rgb, thermal):
        path.write_bytes(DATA)
    assert match(rgb, thermal) == ([(rgb, thermal)], [])
    with pytest.raises(DatasetError, match='left.png is a file and .*thermal a folder'):
        match(rgb, folders[1])
    with pytest.raises(DatasetError, match='there is no folder'):
        match(rgb, folders[1] / 'missing.png')


def test_what_is_no_file_is_said_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')
    (tmp_path / 'dangling.png').symlink_to(tmp_path / 'gone.png')
    for name, said in (('pipe', 'is no file'), ('dangling', 'cannot be read: No such file')):
        with pytest.raises(EncodingError, match=f'{name}.png {said}'):
            read_rgb(tmp_path / f'{name}.png')
