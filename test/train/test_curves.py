"""Curves are read as they were written and drawn into a file."""

import cv2
import numpy as np
import pytest

pytest.importorskip('matplotlib')

from train import curves  # noqa: E402
from uaafusion_ros.errors import DatasetError  # noqa: E402

LOG = 'step,name,value\n0,loss,2\n0,norm,1\n10,loss,9\n9,val_miou,0.5\n10,loss,1\n'


def test_a_step_written_again_counts_once(tmp_path):
    (tmp_path / 'log.csv').write_text(LOG)
    assert curves.read_log(tmp_path / 'log.csv') == {
        'loss': {0: 2.0, 10: 1.0}, 'norm': {0: 1.0}, 'val_miou': {9: 0.5}}


def test_what_is_no_log_is_named(tmp_path):
    with pytest.raises(DatasetError, match='none.csv: no such log'):
        curves.read_log(tmp_path / 'none.csv')
    for text, message in (('step,name,value\n0,norm,1\n', "a.csv: holds no 'loss'"),
                          ('step,name,value\nx,loss,1\n', 'a.csv: not a log of step, name'),
                          ('a,b\n0,1\n', 'a.csv: not a log of step, name')):
        (tmp_path / 'a.csv').write_text(text)
        with pytest.raises(DatasetError, match=message):
            curves.read_log(tmp_path / 'a.csv')


def test_one_column_is_drawn_per_run(tmp_path, capsys):
    sizes = []
    (tmp_path / 'first').mkdir()
    for path in (tmp_path / 'first' / 'log.csv', tmp_path / 'second.csv'):
        path.write_text(LOG)
        out = tmp_path / f'{path.stem}.png'
        logs = [str(tmp_path / 'first' / 'log.csv'), str(path)][:len(sizes) + 1]
        assert curves.main([str(out), *logs]) == 0
        sizes.append(cv2.imread(str(out)).shape)
    assert sizes[1][1] == 2 * sizes[0][1]
    assert curves.main([str(tmp_path / 'x.png'), str(tmp_path / 'gone.csv')]) == 2
    assert 'gone.csv: no such log' in capsys.readouterr().err
    assert not (tmp_path / 'x.png').exists()


def test_shares_and_errors_have_an_axis_each():
    log = {'loss': {0: 1.0, 10: 0.5}, 'val_miou': {9: 0.5}, 'val_target': {9: 0.01}}
    above, left, right = curves.draw({'run': log}).axes
    assert above.get_title() == 'run'
    assert [list(axes.lines[0].get_ydata()) for axes in (left, right)] == [[0.5], [0.01]]
    del log['val_miou']
    above, left = curves.draw({'run': log}).axes
    assert list(left.lines[0].get_ydata()) == [0.01]


def test_the_running_mean_keeps_a_constant_and_halves_a_step():
    half = curves.SMOOTH
    for values, middle in ((np.full(2 * half, 3.0), 3.0), (np.repeat([1.0, 2.0], half), 1.5)):
        smooth = curves.draw({'run': {'loss': dict(enumerate(values))}}).axes[0].lines[-1]
        drawn = smooth.get_ydata()
        assert drawn[half] == pytest.approx(middle, abs=1 / half)
        assert drawn[[0, -1]] == pytest.approx(values[[0, -1]])
