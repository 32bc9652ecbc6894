"""The page: what is compared, and that what is missing is a sentence in its section."""

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from benchmarks.results import methods  # noqa: E402
from benchmarks.results import page  # noqa: E402
from benchmarks.results.tables import measure  # noqa: E402
from train.data import Sample  # noqa: E402
from uaafusion_ros.errors import DatasetError  # noqa: E402
from uaafusion_ros.errors import ModelFileError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402
from uaafusion_ros.network.model import UAAFusion  # noqa: E402
from uaafusion_ros.network.presets import preset  # noqa: E402

RNG = np.random.default_rng(1)


def pair(name='one', **more):
    return Sample(name, RNG.integers(0, 256, (64, 64, 3), np.uint8),
                  RNG.integers(0, 256, (64, 64), np.uint8), np.zeros((64, 64), np.uint8), **more)


@pytest.fixture
def data(tmp_path):
    """Two made-up pairs in the layout of MSRS."""
    for part, shape, high in (('vi', (96, 128, 3), 256), ('ir', (96, 128), 256),
                              ('label', (96, 128), 3)):
        (tmp_path / 'data' / 'msrs' / 'val' / part).mkdir(parents=True)
        for name in ('1D', '2N'):
            cv2.imwrite(str(tmp_path / 'data' / 'msrs' / 'val' / part / f'{name}.png'),
                        RNG.integers(0, high, shape, np.uint8))
    return tmp_path / 'data'


def test_the_page_stands_without_a_study_weights_and_peers(data, tmp_path, monkeypatch):
    def shipped(preset, classes, backend=''):
        if preset == 'paper':
            raise ModelFileError('no weights')
        return methods.Method('uaafusion fast', lambda s: (s.rgb, s.label), ours=True)

    def none(preset):
        raise ModelFileError('no weights')
    monkeypatch.setattr(methods, 'shipped', shipped)
    monkeypatch.setattr(page, 'shipped_weights', none)
    places = page.Places(data, tmp_path / 'study', tmp_path / 'kept')
    out = tmp_path / 'docs' / 'results.md'
    missing = page.write(places, out, None)
    text = out.read_text()
    for head in ('# Results', '## Fusion', '## Target contrast kept', '## Study'):
        assert f'{head}\n' in text
    assert '| mean |' in text and '| uaafusion fast |' in text and '| thermal |' in text
    assert '100.0' in text, 'the masks are the labels'
    for name in ('SeAFusion', 'DECFusion', 'uaafusion paper', 'RoadScene', 'the parts of fast'):
        assert [line for line in missing if line.startswith(f'Not measured: {name} (')], name
        assert f'Not measured: {name} (' in text
    assert 'make study' in text
    assert 'over the 2 validation pairs' in text
    with pytest.raises(DatasetError, match='none'):
        page.write(page.Places(tmp_path / 'none', *(tmp_path,) * 2), out, None)


def test_pairs_are_spread_evenly_with_both_ends():
    assert page.spread_evenly(list(range(40)), 3) == [0, 20, 39]
    assert page.spread_evenly(list(range(4)), 9) == [0, 1, 2, 3]


def test_the_mean_is_half_of_each():
    sample = pair()
    fused, mask = methods.MEAN.fuse(sample)
    luma = sample.rgb.astype(float) @ (0.299, 0.587, 0.114)
    assert np.abs(fused - (luma + sample.thermal) / 2).max() <= 1
    assert mask is None


def test_a_folder_gives_gray_and_colour_as_they_are_and_names_what_is_missing(tmp_path):
    sample = pair()
    cv2.imwrite(str(tmp_path / 'one.png'), sample.rgb[..., ::-1])
    cv2.imwrite(str(tmp_path / 'two.png'), sample.thermal)
    method = methods.folder('peer', tmp_path)
    np.testing.assert_array_equal(method.fuse(sample)[0], sample.rgb)
    np.testing.assert_array_equal(method.fuse(pair('two'))[0].squeeze(), sample.thermal)
    with pytest.raises(DatasetError, match="three.*'peer' must hold one per pair"):
        method.fuse(pair('three'))
    with pytest.raises(DatasetError, match="no such folder.*'peer'"):
        methods.folder('peer', tmp_path / 'none')


def test_kept_images_come_back_and_are_not_taken_for_those_of_other_weights(tmp_path):
    asked = []

    def fuse(sample):
        asked.append(sample.name)
        return sample.rgb, sample.label
    weights, sample = tmp_path / 'weights', pair()
    for content, count in ((b'1', 1), (b'1', 1), (b'2', 2)):
        weights.write_bytes(content)
        method = methods.kept(methods.Method('slow', fuse), weights, tmp_path / 'kept')
        fused, mask = method.fuse(sample)
        np.testing.assert_array_equal(fused, sample.rgb)
        np.testing.assert_array_equal(mask, sample.label)
        assert len(asked) == count


def test_means_are_over_pairs_and_counts_add_up_without_what_a_label_hides():
    samples = [pair('a'), pair('b'), pair('c', hidden=(1,))]
    method = methods.Method('thermal', lambda s: (s.thermal, np.ones((64, 64), np.uint8)))
    found = measure(method, samples, ('ground', 'car'))
    assert found.means['SD'] == pytest.approx(np.mean([s.thermal.std() for s in samples]))
    assert found.counts.tolist() == [[64 * 64, 2 * 64 * 64], [0, 0]]


def test_a_target_s_contrast_is_that_of_its_image():
    sample = pair()
    sample.rgb[:], sample.thermal[:] = 50, 50
    sample.label[20:40, 20:40] = 1
    sample.thermal[20:40, 20:40] = 150
    item, = measure(methods.MEAN, [sample], ('ground', 'car'), metrics=False).found
    assert (item.class_id, item.best) == (1, 100.0) and item.kept == pytest.approx(0.5)


@pytest.mark.parametrize('change', (
    methods.even_weights, methods.targets_off, methods.memories_off))
def test_each_part_that_is_switched_off_moves_the_image(change, tmp_path):
    torch = pytest.importorskip('torch')
    torch.manual_seed(0)
    network = UAAFusion(preset('fast'), [1, 2, 3])
    for parameter in network.fusion.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    path = tmp_path / 'fast.safetensors'
    checkpoint.save(path, network.state_dict(), {
        'part': 'network', 'preset': 'fast', 'classes': [str(k) for k in range(9)],
        'targets': [1, 2, 3], 'bodies': [2]})
    sample = pair()
    whole, other = (methods.changed('', path, each).fuse(sample)[0].astype(int)
                    for each in (lambda network: None, change))
    assert np.abs(whole - other).max() > 0
