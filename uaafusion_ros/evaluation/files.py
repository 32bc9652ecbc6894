"""Files of results: whole or not there, and only with what JSON can hold."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
import threading
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write a file as `write_bytes` does; bytes of file names that are no UTF-8 are escaped."""
    write_bytes(path, text.encode('utf-8', 'backslashreplace'))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old one or the whole new one. Raises OSError."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f'.writing-{os.getpid()}-{threading.get_ident()}')
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def to_json(content: Any) -> str:
    """Return readable JSON, the same text for the same content; ValueError for NaN."""
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + '\n'


def finite(value: Any) -> Any:
    """Replace what JSON cannot hold, NaN and infinities, by None, at any depth."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
