"""Files appear whole, and hold only what JSON can."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path

import pytest

from uaafusion_ros.evaluation.files import finite
from uaafusion_ros.evaluation.files import to_json
from uaafusion_ros.evaluation.files import write_text


def test_what_json_cannot_hold_becomes_null():
    content = {'a': [1, math.nan, (math.inf, 2.5)], 'b': {'c': -math.inf, 'd': 'x', 'e': None}}
    assert json.loads(to_json(finite(content))) == {
        'a': [1, None, [None, 2.5]], 'b': {'c': None, 'd': 'x', 'e': None}}
    with pytest.raises(ValueError):
        to_json({'a': math.nan})


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    (tmp_path / 'a.json').write_text('old')
    write_text(tmp_path / 'a.json', 'neu: µ')
    assert [path.name for path in tmp_path.iterdir()] == ['a.json']
    assert (tmp_path / 'a.json').read_text(encoding='utf-8') == 'neu: µ'


def test_names_of_any_bytes_can_be_written(tmp_path):
    write_text(tmp_path / 'a.json', to_json({'name': 'stra\udcdfe'}))
    assert json.loads((tmp_path / 'a.json').read_text(encoding='utf-8'))['name'] == 'stra\udcdfe'


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    (tmp_path / 'a.json').write_text('old')
    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(OSError, match='No space left'):
        write_text(tmp_path / 'a.json', 'new')
    assert [path.name for path in tmp_path.iterdir()] == ['a.json']
    assert (tmp_path / 'a.json').read_text() == 'old'
