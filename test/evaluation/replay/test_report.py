"""The Markdown report says what the numbers say."""

from __future__ import annotations

from uaafusion_ros.evaluation.replay.report import check_sentence
from uaafusion_ros.evaluation.replay.report import markdown
from uaafusion_ros.evaluation.replay.report import number
from uaafusion_ros.evaluation.replay.report import table

METRICS = {
    'version': '1.2.3', 'status': 'partial', 'verdict': 'fail',
    'problems': ['the bag drive is truncated: 7 messages were read'],
    'inputs': {
        'bag': {'name': 'drive', 'sha256': 'bagsha', 'bytes': 99, 'storage': 'mcap'},
        'model': {'preset': 'fast', 'file': 'm.onnx', 'sha256': 'modelsha', 'precision': 'fp32',
                  'backend': 'openvino 1'},
        'config': {'sha256': 'configsha', 'values': {'a': 1, 'b': 2}},
        'topics': {'thermal': '/t', 'rgb': '/r', 'label': None}},
    'checks': [{'metric': 'Qabf', 'statistic': 'mean', 'value': 0.31234, 'minimum': 0.4,
                'maximum': None, 'passed': False}],
    'counts': {'fused': 3, 'shown': 2, 'skipped': 0},
    'summary': {'Qabf': {'mean': 0.31234, 'median': 0.3, 'p05': 0.2, 'p95': 0.5, 'min': 0.1,
                         'max': 0.6, 'n': 3, 'direction': 'up', 'unit': ''}},
    'segmentation': {'miou': 0.5, 'macc': 0.6, 'classes': [
        {'name': 'car', 'iou': None, 'pixels': 0}]},
    'frames': [{}] * 3,
}
TIMING = {'stages': {'infer': {'p50': 12.345, 'p95': 20.0, 'p99': 30.0}}}


def test_everything_asked_for_is_there():
    text = markdown(METRICS, TIMING)
    for line in (
            '# Replay of drive',
            'Verdict: **fail**, bag partial, 3 pairs fused, 2 of one camera alone.',
            '- the bag drive is truncated: 7 messages were read',
            '- **FAIL**: Qabf mean is 0.3123; asked is at least 0.4',
            '| Qabf ↑ | 0.3123 | 0.3 | 0.2 | 0.5 | 0.1 | 0.6 | 3 |',
            '| car | – | 0 |', '| fused | 3 |', '| infer | 12.35 | 20.00 | 30.00 |',
            '| bag | drive (mcap, 99 bytes) | bagsha |',
            '| model | m.onnx (fast, fp32, openvino 1) | modelsha |',
            '| config | 2 settings | configsha |', 'thermal: /t, rgb: /r'):
        assert line in text.splitlines(), line
    assert 'skipped' not in text


def test_parts_without_content_are_left_out():
    text = markdown({**METRICS, 'problems': [], 'checks': [], 'segmentation': None}, TIMING)
    assert '## Checks' not in text and '## Segmentation' not in text


def test_a_check_says_both_limits_and_what_was_not_measured():
    check = {'metric': 'EN', 'statistic': 'p05', 'value': None, 'minimum': 1, 'maximum': 2.5}
    assert check_sentence(check) == 'EN p05 is not measured; asked is at least 1 and at most 2.5'


def test_numbers_and_tables():
    assert [number(x) for x in (None, 12345, 0.123456, 1e-9)] == [
        '–', '12345', '0.1235', '1e-09']
    assert table(['a', 'b'], [['1', '2']]) == '| a | b |\n| --- | ---: |\n| 1 | 2 |'
