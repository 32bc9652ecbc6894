"""A missing file is a sentence in its section, and the other sections stand."""

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from benchmarks.results import ablations  # noqa: E402
from benchmarks.results import inputs  # noqa: E402
from benchmarks.results import page  # noqa: E402
from benchmarks.results import seeds  # noqa: E402
from benchmarks.results.measure import Measured  # noqa: E402
from benchmarks.results.methods import Method  # noqa: E402
from benchmarks.results.tables import USUAL  # noqa: E402
from uaafusion_ros.errors import CheckpointError  # noqa: E402
from uaafusion_ros.errors import DatasetError  # noqa: E402
from uaafusion_ros.network import checkpoint  # noqa: E402


@pytest.fixture
def data(tmp_path):
    """Two made-up pairs in the layout of MSRS."""
    rng = np.random.default_rng(0)
    for part, shape, high in (('vi', (96, 128, 3), 256), ('ir', (96, 128), 256),
                              ('label', (96, 128), 3)):
        (tmp_path / 'data' / 'msrs' / 'val' / part).mkdir(parents=True)
        for name in ('1D', '2N'):
            cv2.imwrite(str(tmp_path / 'data' / 'msrs' / 'val' / part / f'{name}.png'),
                        rng.integers(0, high, shape, np.uint8))
    return tmp_path / 'data'


def test_the_page_stands_without_runs_weights_and_peers(data, tmp_path, monkeypatch):
    def shipped(preset, classes):
        return Method('uaafusion fast', lambda s: (s.rgb, s.label), ours=True)
    monkeypatch.setattr(page, 'shipped', shipped)
    places = page.Places(data, tmp_path / 'runs', tmp_path / 'none.safetensors', tmp_path / 'kept')
    out = tmp_path / 'docs' / 'results.md'
    missing = page.write(places, out, None)
    text = out.read_text()
    for head in ('# Results', '## Fusion', '## Segmentation by input', '## Seeds'):
        assert f'{head}\n' in text
    assert '| mean |' in text and '| uaafusion fast |' in text
    assert '100.0' in text, 'the masks are the labels'
    for name in ('SeAFusion', 'DECFusion', 'uaafusion paper', 'trained on thermal only',
                 'the parts of fast', 'the parts of paper', 'the sheet of paper'):
        assert [line for line in missing if line.startswith(f'Not measured: {name} (')], name
        assert f'Not measured: {name} (' in text
    assert 'All figures are over the 2 validation pairs' in text
    assert (out.parent / 'images' / 'fast_val.jpg').is_file()
    with pytest.raises(DatasetError, match='none'):
        page.write(page.Places(tmp_path / 'none', *(tmp_path,) * 3), out, None)


def test_pairs_are_spread_evenly_with_both_ends():
    assert page.spread_evenly(list(range(40)), 3) == [0, 20, 39]
    assert page.spread_evenly(list(range(4)), 9) == [0, 1, 2, 3]


def test_the_gain_is_judged_against_both_sources():
    good = {'RGB only': 0.50, 'thermal only': 0.40, 'mean of both': 0.55, 'fused': 0.54}
    text, = inputs.gains(good)
    assert '+4.0 points against RGB only' in text and '-1.0 points against mean of both' in text
    assert text.endswith('is reached.')
    text, = inputs.gains({**good, 'RGB only': 0.52})
    assert '+2.0 points' in text and text.endswith('is not reached.')
    assert inputs.gains({'RGB only': 0.5}) == []


def test_what_the_weights_are_worth_is_said():
    right, half = np.array([[4, 0], [0, 4]]), np.array([[4, 0], [4, 0]])
    ours = Measured(dict.fromkeys(USUAL, 2.0), right, 1)
    even = Measured(dict.fromkeys(USUAL, 1.0), half, 1)
    text = ablations.worth(ours, even)
    # 1/2 + 0 of two classes against 1
    assert text.endswith('better in 8 of 8, +75.0 points of mIoU.')


def test_seeds_show_a_spread_where_there_is_one():
    row = {'mIoU': 50.0, 'EN': 6.5}
    table, single = seeds.described({
        'a': {0: row, 1: {'mIoU': 54.0, 'EN': 6.7}}, 'b': {7: row}, 'c': {}})[1:]
    assert '| a | 0, 1 | 52.0 [50.0, 54.0] | 6.600 [6.500, 6.700] | — |' in table
    assert single == 'One seed alone, so without a spread: b (7).'
    assert seeds.described({'c': {}}) == ['Not measured: no run is at hand.']


def test_runs_are_found_by_their_seed(tmp_path):
    for folder, seed in (('input_rgb', 0), ('input_rgb_seed5', 5), ('input_rgbx', 9)):
        checkpoint.save(tmp_path / folder / 'best.safetensors', {}, {'config': {'seed': seed}})
    found = seeds.runs_of(tmp_path, 'input_rgb')
    assert {seed: path.parent.name for seed, path in found.items()} == {
        0: 'input_rgb', 5: 'input_rgb_seed5'}


def test_a_run_of_another_kind_is_refused(tmp_path):
    path = tmp_path / 'best.safetensors'
    checkpoint.save(path, {}, {'part': 'fusion', 'preset': 'fast'})
    with pytest.raises(CheckpointError, match='no segmenter trained on one input'):
        inputs.trained_on_one(path)
