"""The command: what it runs, and that a slip ends in one line and code 2."""

import json

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('lightning_fabric')

from runs import settings  # noqa: E402
from runs import write  # noqa: E402

from train.__main__ import main  # noqa: E402


@pytest.fixture
def config(pairs, tmp_path):
    """A configuration file."""
    return str(write(settings(pairs, tmp_path / 'run', 'fusion', steps=2),
                     tmp_path / 'fusion.yaml'))


def test_a_run_is_trained_and_measured(config, tmp_path, capsys):
    assert main(['fit', '--config', config]) == 0
    assert main(['evaluate', '--config', config]) == 0
    said = capsys.readouterr().out
    assert 'best.safetensors, step 2, 4 pairs' in said
    written = json.loads((tmp_path / 'run' / 'evaluation.json').read_text())
    assert f'{written["figures"]["target"]:.4f}' in said
    assert f'{written["fusion"]["Qabf"]:.4f}' in said


def test_slips_end_in_one_line(config, pairs, tmp_path, capsys):
    (pairs / 'ir' / '1.png').unlink()
    for arguments, message in (
            (('fit', 'phase=fuse'), "'phase': 'fuse' is unknown; known: segmentation, fusion"),
            (('evaluate', 'data.crop=wide'), "'data.crop': expected int, got 'wide'"),
            (('fit',), 'ir/1.*: missing'),
            (('export',), 'best.safetensors: no such checkpoint')):
        verb, *overrides = arguments
        assert main([verb, '--config', config, *overrides]) == 2
        said = capsys.readouterr().err
        assert said.startswith('error: ') and said.count('\n') == 1
        assert message in said
