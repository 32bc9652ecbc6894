"""The parameters in words."""

from pathlib import Path

import pytest

from uaafusion_ros.parameters.text import parameters_markdown
from uaafusion_ros.parameters.text import yaml_value

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize('value, text', [
    (True, 'true'), ('', "''"), ('fast', 'fast'), ((0.5, 99.5), '[0.5, 99.5]'), (16.0, '16.0')])
def test_defaults_are_written_as_a_parameter_file_writes_them(value, text):
    assert yaml_value(value) == text


def test_documentation_is_fresh():
    """docs/parameters.md is what the table says."""
    assert (ROOT / 'docs/parameters.md').read_text() == parameters_markdown(), (
        'run: make docs')
