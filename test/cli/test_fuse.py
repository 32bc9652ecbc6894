"""`uaafusion fuse` on real pairs, with the real models, and on all that can be wrong with them."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from uaafusion_ros.cli.main import main
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.harness.pictures import STILLS
from uaafusion_ros.imaging.files import read_thermal


@pytest.fixture
def folders(tmp_path):
    for camera in ('rgb', 'thermal'):
        (tmp_path / camera).mkdir()
    add_pair(tmp_path, '11')
    return tmp_path


def add_pair(folder, name):
    for camera in ('rgb', 'thermal'):
        shutil.copy(STILLS / camera / f'{name}.png', folder / camera / f'{name}.png')


def run(folder, *arguments):
    return main([
        'fuse', '--rgb', str(folder / 'rgb'), '--thermal', str(folder / 'thermal'),
        '--out', str(folder / 'out'), *arguments])


def results(folder):
    return sorted(path.name for path in (folder / 'out').iterdir())


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def errors(capsys):
    """Return the lines on stderr that are not the progress bar."""
    lines = capsys.readouterr().err.replace('\r', '\n').splitlines()
    return [line for line in lines if line.strip() and not line.startswith('fusing:')]


@pytest.mark.slow
def test_the_shipped_pairs_are_fused_at_their_own_size(tmp_path, capsys):
    assert main(['fuse', '--rgb', str(STILLS / 'rgb'), '--thermal', str(STILLS / 'thermal'),
                 '--out', str(tmp_path / 'out')]) == 0
    names = [path.stem for path in sorted((STILLS / 'rgb').glob('*.png'))]
    assert results(tmp_path) == sorted(
        [f'{name}.png' for name in names] + [f'{name}_mask.png' for name in names])
    for name in names:
        rgb = read(STILLS / 'rgb' / f'{name}.png')
        fused, mask = read(tmp_path / 'out' / f'{name}.png'), read(
            tmp_path / 'out' / f'{name}_mask.png')
        assert fused.shape == (*rgb.shape[:2], 3) and fused.dtype == np.uint8
        assert mask.shape == rgb.shape[:2] and mask.dtype == np.uint8
        assert mask.max() < 32
    assert capsys.readouterr().out.startswith(
        'fused 6 of 6 pairs, 0 failed, 0 images without a partner')


def test_the_fused_image_shows_the_hot_walker_and_the_visible_pavement(folders):
    assert run(folders) == 0
    fused = cv2.cvtColor(read(folders / 'out' / '11.png'), cv2.COLOR_BGR2GRAY).astype(float)
    rgb = read(folders / 'rgb' / '11.png').astype(float)
    thermal = read(folders / 'thermal' / '11.png').astype(float)
    walker = cv2.erode((thermal > 235).astype(np.uint8), np.ones((3, 3))) > 0
    walker[:, 320:] = False  # the warm door
    around = cv2.dilate(walker.astype(np.uint8), np.ones((41, 41))) > 0
    contrast = fused[walker].mean() - fused[around & ~walker].mean()
    seen_before = rgb[walker].mean() - rgb[around & ~walker].mean()
    assert walker.sum() > 500 and contrast > seen_before + 40
    pavement = (slice(360, 440), slice(100, 400))
    detail = [image[pavement] - cv2.GaussianBlur(image, (0, 0), 4)[pavement]
              for image in (fused, rgb)]
    assert np.corrcoef(detail[0].ravel(), detail[1].ravel())[0, 1] > 0.5


def test_colours_keep_their_order(folders):
    rgb = cv2.cvtColor(read(folders / 'rgb' / '11.png'), cv2.COLOR_GRAY2BGR)
    rgb[:200, :300] = (40, 60, 200)  # red, in OpenCV's order
    cv2.imwrite(str(folders / 'rgb' / '11.png'), rgb)
    assert run(folders) == 0
    blue, _, red = read(folders / 'out' / '11.png')[50:150, 50:250].reshape(-1, 3).mean(axis=0)
    assert red > blue + 40


def test_all_suffixes_and_16_bits_are_taken(folders):
    thermal = read(folders / 'thermal' / '11.png')
    (folders / 'thermal' / '11.png').unlink()
    cv2.imwrite(str(folders / 'thermal' / '11.tiff'), 7000 + thermal.astype(np.uint16) * 9)
    cv2.imwrite(str(folders / 'rgb' / 'b.JPG'), cv2.imread(str(folders / 'rgb' / '11.png')))
    cv2.imwrite(str(folders / 'thermal' / 'b.bmp'), thermal)
    assert run(folders) == 0
    assert results(folders) == ['11.png', '11_mask.png', 'b.png', 'b_mask.png']
    of_16, of_8 = (
        read(folders / 'out' / name).astype(float) for name in ('11.png', 'b.png'))
    assert np.corrcoef(of_16.ravel(), of_8.ravel())[0, 1] > 0.95


@pytest.mark.slow
def test_a_pair_is_fused_the_same_whatever_came_before(folders):
    thermal = read(folders / 'thermal' / '11.png').astype(np.uint16)
    cv2.imwrite(str(folders / 'thermal' / '11.png'), 7000 + thermal * 9)
    assert run(folders) == 0
    alone = read(folders / 'out' / '11.png')
    shutil.copy(folders / 'rgb' / '11.png', folders / 'rgb' / '00.png')
    cv2.imwrite(str(folders / 'thermal' / '00.png'), 7000 + thermal * 20)
    assert run(folders) == 0
    assert np.array_equal(read(folders / 'out' / '11.png'), alone)


def test_two_sizes_are_named_and_the_other_pairs_fused(folders, capsys):
    cv2.imwrite(str(folders / 'rgb' / 'big.png'), np.zeros((100, 120), np.uint8))
    cv2.imwrite(str(folders / 'thermal' / 'big.png'), np.zeros((50, 60), np.uint8))
    assert run(folders) == 1
    line, = errors(capsys)
    for part in ('rgb/big.png is 120x100', 'thermal/big.png is 60x50', 'register'):
        assert part in line
    assert results(folders) == ['11.png', '11_mask.png']


def test_missing_partners_are_named_and_counted(folders, capsys):
    shutil.copy(folders / 'rgb' / '11.png', folders / 'rgb' / 'only_rgb.png')
    shutil.copy(folders / 'rgb' / '11.png', folders / 'thermal' / 'only_thermal.png')
    assert run(folders) == 1
    out, err = capsys.readouterr()
    assert 'rgb/only_rgb.png has no partner' in err
    assert 'thermal/only_thermal.png has no partner' in err
    assert out.startswith('fused 1 of 1 pairs, 0 failed, 2 images without a partner')


def test_a_broken_image_is_named(folders, capfd):
    (folders / 'rgb' / '11.png').write_bytes(b'no image')
    assert run(folders) == 2  # of one pair: nothing was fused
    out, err = capfd.readouterr()
    assert 'rgb/11.png is no readable image' in err and 'Traceback' not in err
    assert out.startswith('fused 0 of 1 pairs, 1 failed')


def test_a_false_colour_thermal_image_is_refused(folders):
    path = folders / 'thermal' / '11.png'
    cv2.imwrite(str(path), cv2.applyColorMap(read(path), cv2.COLORMAP_JET))
    with pytest.raises(EncodingError, match='11.png is coloured'):
        read_thermal(path)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_three_equal_thermal_channels_are_one(tmp_path, dtype):
    gray = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (20, 30)).astype(dtype)
    cv2.imwrite(str(tmp_path / 'a.png'), np.repeat(gray[..., None], 3, axis=2))
    read = read_thermal(tmp_path / 'a.png')
    assert np.array_equal(read.array, gray) and read.encoding == f'mono{gray.itemsize * 8}'


def test_a_float_thermal_image_stays_float(tmp_path):
    celsius = np.random.default_rng(0).normal(20, 5, (20, 30)).astype(np.float32)
    cv2.imwrite(str(tmp_path / 'a.tiff'), celsius)
    read = read_thermal(tmp_path / 'a.tiff')
    assert np.array_equal(read.array, celsius) and read.encoding == '32FC1'


def _no_folder(folder):
    shutil.rmtree(folder / 'thermal')
    return 'there is no folder'


def _no_image(folder):
    (folder / 'thermal' / '11.png').unlink()
    return 'holds no image; accepted are .png'


def _no_pair(folder):
    (folder / 'thermal' / '11.png').rename(folder / 'thermal' / '12.png')
    return 'name both files of a pair alike'


def _two_of_a_stem(folder):
    shutil.copy(folder / 'rgb' / '11.png', folder / 'rgb' / '11.jpg')
    return 'share a stem'


def _mask_is_a_stem(folder):
    for camera in ('rgb', 'thermal'):
        shutil.copy(folder / camera / '11.png', folder / camera / '11_mask.png')
    return 'would both be 11_mask.png'


@pytest.mark.parametrize(
    'spoil', [_no_folder, _no_image, _no_pair, _two_of_a_stem, _mask_is_a_stem])
def test_what_cannot_start_ends_in_one_line(folders, capsys, spoil):
    text = spoil(folders)
    assert run(folders) == 2
    assert text in errors(capsys)[-1]
    assert not (folders / 'out').exists()


@pytest.mark.parametrize('arguments', [['--backend', 'abacus'], ['--preset', 'nowhere']])
def test_an_unknown_choice_ends_in_one_line(folders, capsys, arguments):
    assert run(folders, *arguments) == 2
    line, = errors(capsys)
    assert arguments[1] in line


@pytest.mark.parametrize('camera', ['rgb', 'thermal'])
def test_inputs_are_never_overwritten(folders, capsys, camera):
    before = (folders / camera / '11.png').read_bytes()
    assert run(folders, '--out', str(folders / camera)) == 2
    assert 'is an input folder' in errors(capsys)[0]
    assert (folders / camera / '11.png').read_bytes() == before
