"""One HTML file from a template, style sheets, scripts and data, that asks nobody for anything."""

from __future__ import annotations

import base64
from collections.abc import Sequence
import hashlib
from importlib.resources import files
import math
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from uaafusion_ros.evaluation.files import finite
from uaafusion_ros.evaluation.files import write_text


def write_document(
    path: Path, template: str, styles: Sequence[str], scripts: Sequence[str],
    values: dict[str, Any], data: Any,
) -> None:
    """
    Fill a template of this folder and write it to `path` in one step.

    `values` are the template's names: all text is escaped where it is inserted. `data` is what
    the scripts read: plain lists, dicts, texts and numbers; it may hold any text and NaN, which
    becomes null. The page's security policy admits its own style and script by their hashes,
    pictures inside the file, and nothing else. Raises OSError.
    """
    style = '\n'.join(_read(name) for name in styles)
    script = "'use strict';\n" + '\n'.join(_read(name) for name in scripts)
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters['number'] = number
    environment.policies['json.dumps_kwargs'] = {'sort_keys': False}  # their order is shown
    text = environment.from_string(_read(template)).render(
        **values, policy=policy, style=Markup(style), script=Markup(script), data=finite(data))
    write_text(path, text)


def number(value: Any) -> str:
    """Write a value for people: four significant digits, `n/a` for what is not known."""
    if value is None or isinstance(value, float) and not math.isfinite(value):
        return 'n/a'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, int):
        return f'{value:,}'
    if isinstance(value, float):
        # Python's %g would turn to powers of ten from 10,000 on.
        return f'{value:,.0f}' if abs(value) >= 1e4 else f'{value:.4g}'
    return str(value)


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding='utf-8')


def _digest(text: str) -> str:
    return 'sha256-' + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
