"""`uaafusion compare` prints a table, and fails a build only when asked to."""

from __future__ import annotations

import json

import pytest

from uaafusion_ros.cli.main import main


def write(path, qabf, sha256='f' * 64):
    path.write_text(json.dumps({
        'schema': 1, 'version': '1',
        'inputs': {'bag': {'name': 'drive', 'sha256': sha256},
                   'config': {'values': {'sync.reference': 'rgb'}}},
        'counts': {'received.rgb': 1, 'pending.rgb': 0, 'skipped': 0, 'fused': 1},
        'modes': {'fused': 1.0}, 'segmentation': None,
        'summary': {'Qabf': {'mean': qabf, 'direction': 'up'}}}))
    return str(path)


@pytest.fixture
def files(tmp_path):
    return write(tmp_path / 'a.json', 0.5), write(tmp_path / 'b.json', 0.45)


def test_the_table_comes_on_stdout(files, capsys):
    assert main(['compare', *files]) == 0
    assert '| Qabf ↑ | 0.5 | 0.45 | -0.05 | worse |' in capsys.readouterr().out


@pytest.mark.parametrize('percent, code', [('5', 1), ('15', 0)])
def test_worse_by_more_than_asked_is_1(files, percent, code):
    assert main(['compare', *files, '--fail-if-worse', percent]) == code
    assert main(['compare', *reversed(files), '--fail-if-worse', percent]) == 0


def test_different_bags_are_2_unless_asked_for(files, tmp_path, capsys):
    other = write(tmp_path / 'c.json', 0.5, 'e' * 64)
    assert main(['compare', files[0], other]) == 2
    assert 'different bags' in capsys.readouterr().err
    assert main(['compare', files[0], other, '--anyway']) == 0
