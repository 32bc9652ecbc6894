"""Reading pairs: each defect names its file."""

import cv2
import numpy as np
import pytest

from train import augment
from train.config import Source
from train.data import read
from uaafusion_ros.errors import DatasetError


def test_pairs_are_read_whole_and_in_rgb_order(pairs):
    samples = read(Source('msrs', str(pairs)))
    assert [s.name for s in samples] == ['0', '1', '2', '3']
    bgr = cv2.imread(str(pairs / 'vi' / '0.png'))
    np.testing.assert_array_equal(samples[0].rgb, bgr[..., ::-1])
    assert set(np.unique(samples[0].label)) == {0, 1, 2}


def test_defects_name_the_file(pairs):
    with pytest.raises(DatasetError, match='nowhere/vi: no such folder'):
        read(Source('msrs', str(pairs / 'nowhere')))
    with pytest.raises(DatasetError, match="layout 'mars' is unknown; known: msrs"):
        read(Source('mars', str(pairs)))
    label = pairs / 'label' / '2.png'
    cv2.imwrite(str(label), np.full((96, 128), 77, np.uint8))
    with pytest.raises(DatasetError, match='label/2.png: class id 77, but msrs has ids 0 to 8'):
        read(Source('msrs', str(pairs)))
    cv2.imwrite(str(label), np.zeros((90, 128), np.uint8))
    with pytest.raises(DatasetError, match=r'vi/2.png: \(96, 128\) pixels, its partner \(90'):
        read(Source('msrs', str(pairs)))
    label.write_bytes(b'no image')
    with pytest.raises(DatasetError, match='label/2.png is no readable image'):
        read(Source('msrs', str(pairs)))
    (pairs / 'ir' / '1.png').unlink()
    with pytest.raises(DatasetError, match=r"ir/1.\*: missing, though the RGB image '1'"):
        read(Source('msrs', str(pairs)))


def test_crops_keep_the_three_images_together(pairs):
    """Where the label says blob, thermal is hot; where it says box, RGB is red."""
    sample = read(Source('msrs', str(pairs)))[0]
    for seed in range(20):
        rgb, thermal, label = augment.crop(sample, 64, np.random.default_rng(seed))
        assert rgb.shape == (64, 64, 3) and thermal.shape == label.shape == (64, 64)
        inside = cv2.erode((label == 2).astype(np.uint8), np.ones((7, 7))) > 0
        assert (thermal[inside] > 0.6).all()
        inside = cv2.erode((label == 1).astype(np.uint8), np.ones((7, 7))) > 0
        assert (rgb[inside, 2] > 0.6).all()


def test_photometric_stays_in_range_and_keeps_the_contrast_of_the_hot(pairs):
    """It is black instead of white in a few images alone."""
    sample, rises = read(Source('msrs', str(pairs)))[0], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rgb, thermal = augment.photometric(
            sample.rgb.astype(np.float32) / 255, sample.thermal.astype(np.float32) / 255, rng)
        for image in (rgb, thermal):
            assert image.dtype == np.float32
            assert 0 <= image.min() and image.max() <= 1
        rises.append(thermal[sample.label == 2].mean() - thermal[sample.label == 0].mean())
    assert np.abs(rises).min() > 0.2
    assert 0.85 < np.mean(np.greater(rises, 0)) < 1


def test_a_crop_at_scale_one_is_a_window_of_the_image(pairs):
    sample = read(Source('msrs', str(pairs)))[0]
    rgb, _, _ = augment.crop(sample, 64, np.random.default_rng(0), (1.0, 1.0))
    whole = sample.rgb.astype(np.float32) / 255
    windows = np.lib.stride_tricks.sliding_window_view(whole, (64, 64, 3))[:, :, 0]
    assert any((abs(windows - crop).max(axis=(2, 3, 4)) < 1e-6).any()
               for crop in (rgb, rgb[:, ::-1]))


def test_faults_break_one_image_at_a_time_and_leave_the_inputs_alone():
    rgb = np.full((32, 48, 3), 0.5, np.float32)
    thermal = np.tile(np.linspace(0.2, 0.8, 48, dtype=np.float32), (32, 1))
    before = rgb.copy(), thermal.copy()
    lost = {'rgb': 0, 'thermal': 0}
    for seed in range(200):
        broken = augment.faults(rgb, thermal, np.random.default_rng(seed), lost=0.5)
        gone = [not image.any() for image in broken]
        assert not all(gone)
        lost['rgb'] += gone[0]
        lost['thermal'] += gone[1]
        # A shift of a few pixels on this ramp is a change of a few hundredths; rows may be dead.
        alive = np.ptp(broken[1], axis=1) > 0
        if not gone[1]:
            assert alive.sum() >= 29
            assert abs(broken[1][alive] - thermal[alive]).max() < 0.12
    assert all(30 < count < 70 for count in lost.values())
    for image, kept in zip((rgb, thermal), before):
        np.testing.assert_array_equal(image, kept)


def test_objects_of_one_crop_are_laid_over_another_with_both_images():
    rng = np.random.default_rng(0)
    below, above = ((np.full((8, 8, 3), level, np.float32), np.full((8, 8), level, np.float32),
                     np.zeros((8, 8), np.uint8)) for level in (0.2, 0.8))
    above[2][2:4], above[2][5:7], above[2][7] = 1, 2, 255
    seen = set()
    for _ in range(20):
        rgb, thermal, label = augment.mixed(below, above, rng)
        over = label > 0
        seen.add(tuple(np.unique(label[over])))
        np.testing.assert_array_equal(thermal, np.where(over, np.float32(0.8), np.float32(0.2)))
        np.testing.assert_array_equal(rgb, np.repeat(thermal[..., None], 3, 2))
        np.testing.assert_array_equal(label[over], above[2][over])
    assert seen == {(1,), (2,)}  # half of both classes, never the unknown
    assert augment.mixed(below, below, rng) is below


def test_made_up_thermal_images_are_warm_where_the_warm_classes_are():
    rng = np.random.default_rng(0)
    rgb = rng.random((48, 48, 3)).astype(np.float32)
    label = np.zeros((48, 48), np.uint8)
    label[10:20, 10:20], label[30:40, 30:40] = 2, 1
    rises = []
    for seed in range(40):
        image = augment.pseudo_thermal(rgb, label, {2: 0.6}, np.random.default_rng(seed))
        assert image.shape == (48, 48) and image.dtype == np.float32
        assert 0 <= image.min() and image.max() <= 1
        rises.append([image[part].mean() - image[label == 0].mean()
                      for part in (label == 2, label == 1)])
    warm, other = np.mean(rises, axis=0)
    assert warm > 0.15 and abs(other) < 0.03
