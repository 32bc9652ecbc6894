"""Cross-validation: what is trained on and what is validated on never overlap."""

from dataclasses import replace

from dataset_trees import save
from dataset_trees import scene
import numpy as np
import pytest

from train.check import main as check
from train.config import Data
from train.config import Source
from train.data import split
from train.datasets.samples import fold_of
from uaafusion_ros.errors import DatasetError


@pytest.fixture
def source(tmp_path):
    """Thirty pairs, numbered by fours, in blocks of ten numbers."""
    for n in range(30):
        for part, image in zip(('vi', 'ir'), scene(n, (32, 48))):
            save(tmp_path / part / f'{4 * n:05}D.png', image)
    return Source('tno', str(tmp_path), block=10)


def names(samples):
    return {sample.name for sample in samples}


def test_blocks_of_numbers_go_to_the_folds_in_turn():
    assert [fold_of(f'{n:05}D', 10) for n in (0, 9, 10, 49, 50, 123)] == [0, 0, 1, 4, 0, 2]
    assert fold_of('FLIR_00016', 10) == 1
    with pytest.raises(DatasetError, match="'dusk': no number in it"):
        fold_of('dusk', 10)


def test_every_pair_is_validated_on_in_one_fold_and_trained_on_in_the_others(source):
    every, seen = names(split(Data((source,), (source,)))[0]), []
    assert len(every) == 30
    for fold in range(5):
        train, val, draws = split(Data((source,), (source,), fold=fold))
        assert not names(train) & names(val)
        assert names(train) | names(val) == every
        assert len(draws) == len(train)
        seen += names(val)
    assert sorted(seen) == sorted(every)


def test_a_source_may_have_a_fold_of_its_own_or_none(source):
    own = replace(source, fold=2)
    held = [names(split(Data((own,), (own,), fold=fold))[1]) for fold in (0, 2)]
    assert held[0] == held[1] == names(split(Data((source,), (source,), fold=2))[1])
    whole = replace(source, block=0)
    assert len(split(Data((whole,), (source,), fold=1))[0]) == 30


def test_neighbours_of_what_is_validated_on_are_left_out(source):
    near = replace(source, apart=4)
    train, val, _ = split(Data((near,), (source,), fold=1))
    numbers = [np.array([int(name[:-1]) for name in names(part)]) for part in (train, val)]
    assert abs(numbers[0][:, None] - numbers[1]).min() == 8
    assert len(train) < 30 - len(val)


def test_draws_of_a_source_sum_to_its_share(source):
    other = replace(source, share=0.25, fold=3)
    train, _, draws = split(Data((source, other), (source,), fold=0))
    count = len(split(Data((source,), (source,), fold=0))[0])
    assert sum(draws[:count]) == pytest.approx(1)
    assert sum(draws[count:]) == pytest.approx(0.25)


def test_a_fold_that_leaves_nothing_is_named(source):
    with pytest.raises(DatasetError, match='fold 3 leaves none of its pairs'):
        split(Data((source,), (replace(source, block=1000),), fold=3))


def test_the_check_follows_the_fold(source, tmp_path, capsys):
    entry = f'[{{layout: tno, root: {source.root}, block: 10}}]'
    config = tmp_path / 'config.yaml'
    config.write_text(f'data:\n  fold: 1\n  train: {entry}\n  val: {entry}\n')
    assert check(['--config', str(config)]) == 0
    out = capsys.readouterr().out
    train, val, _ = split(Data((source,), (source,), fold=1))
    assert f'{len(train)} pairs: ' in out and f'{len(val)} pairs: ' in out
    assert check(['--config', str(config), 'data.fold=-1']) == 2
    assert '30 pairs are in train and in val' in capsys.readouterr().out
