"""Better and worse follow each metric's own direction."""

from __future__ import annotations

import copy
import json

import pytest

from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.replay.compare import compare
from uaafusion_ros.evaluation.replay.compare import load
from uaafusion_ros.evaluation.replay.compare import markdown

A = {
    'schema': 1, 'version': '1',
    'inputs': {'bag': {'name': 'drive', 'sha256': 'f' * 64},
               'config': {'values': {'sync.reference': 'rgb'}}},
    'counts': {'received.rgb': 10, 'pending.rgb': 0, 'skipped': 0, 'fused': 10},
    'modes': {'fused': 1.0},
    'summary': {'Qabf': {'mean': 0.5, 'direction': 'up'},
                'MSE': {'mean': 100.0, 'direction': 'down'},
                'EN': {'mean': 7.0, 'direction': 'up'},
                'still_share': {'mean': 0.3, 'direction': ''}},
    'segmentation': {'miou': 0.4, 'macc': 0.5, 'classes': [{'name': 'car', 'iou': None}]},
}


def changed():
    b = copy.deepcopy(A)
    b['summary']['Qabf']['mean'] = 0.45
    b['summary']['MSE']['mean'] = 80.0
    b['summary']['still_share']['mean'] = 0.2
    del b['summary']['EN']
    b['counts']['fused'] = 9
    b['segmentation']['classes'][0]['iou'] = 0.7
    return b


def test_each_metric_is_judged_in_its_direction():
    rows = {row.name: row for row in compare(A, changed())}
    assert {name: row.verdict for name, row in rows.items()} == {
        'Qabf': 'worse', 'MSE': 'better', 'EN': '', 'still_share': '', 'miou': 'equal',
        'macc': 'equal', 'iou.car': '', 'drop_share': 'worse', 'mode.fused': 'equal'}
    assert rows['Qabf'].worse_percent == pytest.approx(10.0)
    assert rows['MSE'].worse_percent == rows['EN'].worse_percent == 0.0
    assert rows['drop_share'].worse_percent == float('inf')


def test_what_runtimes_round_differently_is_equal():
    b = copy.deepcopy(A)
    b['summary']['Qabf']['mean'] += 1e-6
    b['summary']['MSE']['mean'] *= 1 - 1e-4
    rows = {row.name: row.verdict for row in compare(A, b)}
    assert (rows['Qabf'], rows['MSE']) == ('equal', 'better')


def test_the_table_has_both_values_and_the_difference():
    lines = markdown(compare(A, changed())).splitlines()
    assert '| Qabf ↑ | 0.5 | 0.45 | -0.05 | worse |' in lines
    assert '| MSE ↓ | 100 | 80 | -20 | better |' in lines
    assert '| EN ↑ | 7 | – | – |  |' in lines


def test_a_metric_that_only_b_has_is_shown():
    assert ('EN', None, 7.0) in [(row.name, row.a, row.b) for row in compare(changed(), A)]


def test_different_bags_are_refused_unless_asked_for():
    b = copy.deepcopy(A)
    b['inputs']['bag']['sha256'] = 'e' * 64
    with pytest.raises(BagError, match='different bags.*--anyway'):
        compare(A, b)
    assert compare(A, b, anyway=True)


@pytest.mark.parametrize('text, said', [
    ('{', 'cannot be read as JSON'), ('[]', 'is no metrics.json'), ('{}', 'is no metrics.json'),
    (json.dumps({**A, 'schema': 2}), 'schema 2'),
])
def test_other_files_are_refused(tmp_path, text, said):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(ParameterError, match=said):
        load(path)


def test_metrics_are_loaded(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(A))
    assert load(path) == A
