"""The study's tables from the files that runs leave."""

import json

import numpy as np
import pytest

pytest.importorskip('torch')

from benchmarks.results import study  # noqa: E402
from uaafusion_ros.errors import DatasetError  # noqa: E402

CLASSES = ['ground', 'car', 'person']
RIGHT = [[8, 0, 0], [0, 4, 0], [0, 0, 2]]
WRONG = [[8, 0, 0], [0, 4, 0], [2, 0, 0]]


def target(kept):
    return {'class': 2, 'area': 100, 'kept': kept, 'best': 40.0}


def write(root, variant, fold, seed, judged, classes=CLASSES):
    """Write a run's file; judged: counts and how much of each person is kept, by pair."""
    path = root / variant / f'{fold}-{seed}' / 'evaluation.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({'classes': classes, 'judged': {
        name: {'counts': counts, 'targets': [target(x) for x in kept]}
        for name, (counts, kept) in judged.items()}}))


@pytest.fixture
def root(tmp_path):
    """Two folds of two variants, of which one has a second seed."""
    for fold, name in ((0, '00010D'), (1, '00050N')):
        write(tmp_path, 'attributed', fold, 0, {name: (RIGHT, [0.8, 1.0])})
        write(tmp_path, 'even', fold, 0, {name: (WRONG, [0.5, 0.8])})
    write(tmp_path, 'attributed', 0, 1, {'00010D': (RIGHT, [0.2])})
    return tmp_path


def rows(text, first):
    return [[cell.strip() for cell in line.strip('|').split('|')]
            for line in '\n'.join(text).splitlines() if line.startswith(f'| {first} |')]


def test_what_is_pooled_is_the_sum_over_folds_and_seeds(root):
    found = study.read(root)
    np.testing.assert_array_equal(
        study.pooled(found.pairs['attributed'].values()), 3 * np.array(RIGHT))
    np.testing.assert_array_equal(
        study.pooled(found.pairs['even'].values()), 2 * np.array(WRONG))
    blocks = study.by_block({key: pair.counts for key, pair in found.pairs['attributed'].items()})
    np.testing.assert_array_equal(blocks, [2 * np.array(RIGHT), RIGHT])


def test_tables_have_every_variant_and_name_what_is_missing(root):
    text = study.section(root)
    assert '5 runs of 2 variants: up to 2 of 5 folds, 2 seeds, 2 pairs in all' in text[0]
    missing, = (line for line in text if line.startswith('Not measured: '))
    assert 'attributed (seed 0: fold 2, 3, 4)' in missing
    assert 'even (seed 1: fold 0, 1, 2, 3, 4)' in missing and 'thermal (seed 0' in missing
    masks, contrast = rows(text, 'even')
    # ground 16 / 20, car 8 / 8, person 0 / 4
    assert masks[1:5] == ['80.0', '100.0', '0.0', '60.0']
    # levels, shares that keep 75 and 90 %; no car has a label
    assert contrast[1:] == ['26.0', '50', '0']
    # 0.8, 1.0, 0.8, 1.0 and 0.2 of 40 levels
    assert rows(text, 'attributed')[1][1:] == ['30.4', '80', '40']


def test_differences_are_of_the_same_pairs_and_seeds(root):
    row, = rows(study.section(root), 'attributed - even')
    assert row[1] == '2', 'the second seed of one variant has no partner'
    assert row[2] == '+40.0 [+40.0, +40.0]' and row[3] == '+50.0 [+50.0, +50.0]'


def test_no_study_is_one_sentence_and_a_foreign_file_is_named(root, tmp_path):
    text, = study.section(tmp_path / 'none')
    assert text.startswith('Not measured: ') and 'make study' in text
    write(root, 'mean', 0, 0, {'1': (RIGHT, [])}, ['road', 'car', 'person'])
    with pytest.raises(DatasetError, match='mean/0-0/evaluation.json: its classes'):
        study.read(root)
    (root / 'mean' / '0-0' / 'evaluation.json').write_text('{"figures": {}}')
    with pytest.raises(DatasetError, match='mean/0-0/evaluation.json: not what `make study`'):
        study.section(root)
