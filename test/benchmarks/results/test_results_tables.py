"""Tables: who wins by the direction of each metric, what a class without labels does."""

import numpy as np
import pytest

pytest.importorskip('torch')

from benchmarks.results.tables import fusion_table  # noqa: E402
from benchmarks.results.tables import segmentation_table  # noqa: E402
from benchmarks.results.tables import USUAL  # noqa: E402
from benchmarks.results.tables import wins  # noqa: E402
from uaafusion_ros.evaluation.fusion_metrics import METRICS  # noqa: E402

EVEN = {metric.name: 1.0 for metric in METRICS}


def test_a_tie_is_no_win_and_what_is_not_won_is_named():
    assert wins(EVEN, EVEN) == f'0 of 8 (not {", ".join(USUAL)})'
    better = {name: 2.0 for name in EVEN}
    assert wins(better, EVEN) == '8 of 8'
    assert wins({**better, 'SD': 0.5, 'SSIM': 1.0}, EVEN) == '6 of 8 (not SD, SSIM)'


def test_not_a_number_wins_nothing():
    assert wins({**EVEN, 'EN': float('nan')}, {**EVEN, 'EN': 0.0}).startswith('0 of 8')


def test_a_fusion_table_has_all_metrics_or_the_asked():
    assert fusion_table({'a': EVEN}).count('↑') + fusion_table({'a': EVEN}).count('↓') == len(
        METRICS)
    lines = fusion_table({'a': EVEN}, ('EN', 'MSE')).splitlines()
    assert lines == ['|  | EN ↑ | MSE ↓ |', '| --- | ---: | ---: |', '| a | 1.000 | 1.0 |']


def test_absent_classes_are_named_and_left_out():
    counts = np.array([[8, 2, 0], [0, 10, 0], [0, 0, 0]])
    text = segmentation_table({'net': counts}, ('ground', 'car', 'rail'))
    assert text.splitlines()[0] == '|  | ground | car | mIoU | mAcc |'
    # 8 / 10 and 10 / 12
    assert '| net | 80.0 | 83.3 | 81.7 | 90.0 |' in text
    assert text.endswith('left out: rail.')
