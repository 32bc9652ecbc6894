"""Limits are inclusive, what was not measured fails, and a wrong file says where."""

from __future__ import annotations

import pytest

from uaafusion_ros import share
from uaafusion_ros.errors import ParameterError
from uaafusion_ros.evaluation.replay.thresholds import check
from uaafusion_ros.evaluation.replay.thresholds import drop_share
from uaafusion_ros.evaluation.replay.thresholds import read_rules
from uaafusion_ros.evaluation.replay.thresholds import Rule

METRICS = {
    'summary': {'Qabf': {'mean': 0.5, 'min': 0.1, 'n': 3}, 'EN': {'mean': float('nan')}},
    'counts': {'received.rgb': 12, 'pending.rgb': 1, 'skipped': 1, 'fused': 8,
               'dropped.rgb.no_partner': 2},
    'inputs': {'config': {'values': {'sync.reference': 'rgb'}}},
    'modes': {'fused': 0.75, 'rgb_only': 0.25},
    'segmentation': {'miou': 0.4, 'macc': 0.6, 'classes': [
        {'name': 'car', 'iou': 0.8, 'pixels': 4}, {'name': 'bump', 'iou': None, 'pixels': 0}]},
    'frames': [{}] * 8,
}


def rules(tmp_path, text):
    path = tmp_path / 'thresholds.yaml'
    path.write_text(text)
    return read_rules(path)


def test_statistics_have_their_defaults(tmp_path):
    assert rules(tmp_path, '- {metric: Qabf, minimum: 0.4}\n'
                           '- {metric: flicker, statistic: p95, maximum: 2}\n'
                           '- {metric: drop_share, minimum: 0, maximum: 0.05}\n') == [
        Rule('Qabf', 'mean', 0.4, None), Rule('flicker', 'p95', None, 2),
        Rule('drop_share', 'value', 0, 0.05)]


@pytest.mark.parametrize('metric, statistic, bounds, value, passed', [
    ('Qabf', 'mean', (0.5, None), 0.5, True),
    ('Qabf', 'mean', (0.51, None), 0.5, False),
    ('Qabf', 'min', (None, 0.1), 0.1, True),
    ('Qabf', 'min', (None, 0.09), 0.1, False),
    ('Qabf', 'mean', (0.4, 0.45), 0.5, False),
    ('EN', 'mean', (0, None), None, False),
    ('SD', 'mean', (0, None), None, False),
    ('drop_share', 'value', (None, 0.2), pytest.approx(0.2), True),
    ('dropped.rgb.no_partner', 'value', (None, 1), 2, False),
    ('frames', 'value', (8, None), 8, True),
    ('mode.fused', 'value', (0.9, None), 0.75, False),
    ('mode.thermal_only', 'value', (None, 0), 0, True),
    ('miou', 'value', (0.4, None), 0.4, True),
    ('iou.car', 'value', (0.9, None), 0.8, False),
    ('iou.bump', 'value', (0.1, None), None, False),
])
def test_a_limit_holds_or_not(metric, statistic, bounds, value, passed):
    row, = check([Rule(metric, statistic, *bounds)], METRICS)
    assert row == {'metric': metric, 'statistic': statistic, 'value': value,
                   'minimum': bounds[0], 'maximum': bounds[1], 'passed': passed}


def test_miou_without_labels_fails():
    row, = check([Rule('miou', 'value', 0.1, None)], {**METRICS, 'segmentation': None})
    assert row['value'] is None and not row['passed']


def test_the_drop_share_is_that_of_the_images_that_could_be_fused():
    counts = {'received.rgb': 10, 'pending.rgb': 0, 'skipped': 0, 'fused': 10}
    assert drop_share(counts, 'rgb') == 0
    assert drop_share({**counts, 'skipped': 5, 'fused': 5}, 'rgb') == 0
    assert drop_share({**counts, 'fused': 4}, 'rgb') == pytest.approx(0.6)


@pytest.mark.parametrize('text, said', [
    ('- {metric: Qbaf, minimum: 1}', "entry 1: there is no metric 'Qbaf'; did you mean 'Qabf'"),
    ('- {metric: Qabf, minimum: 1}\n- {metric: mIoU, minimum: 1}',
     "entry 2: there is no metric 'mIoU'; did you mean 'miou'"),
    ('- {metric: flickr, minimum: 1}', "did you mean 'flicker'"),
    ('- {metric: Qabf, statistic: avg, minimum: 1}', "no statistic 'avg'; accepted are mean"),
    ('- {metric: miou, statistic: mean, minimum: 1}', 'accepted are value'),
    ('- {metric: Qabf, minimun: 1}', "no key 'minimun'"),
    ('- {metric: Qabf}', 'accepted are numbers, at least one'),
    ('- {metric: Qabf, minimum: high}', 'accepted are numbers'),
    ('- {metric: Qabf, minimum: .nan}', 'accepted are numbers'),
    ('- {metric: Qabf, minimum: true}', 'accepted are numbers'),
    ('- 7', 'has no metric'),
    ('Qabf: 0.4', 'holds no list'),
    ('[]', 'holds no list'),
    ('- [', 'cannot be read as YAML'),
])
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(ParameterError, match=said):
        rules(tmp_path, text)


def test_the_example_is_accepted():
    assert len(read_rules(share.path('config', 'thresholds.yaml'))) >= 5
