"""OpenCV without what it prints by itself: our errors say what was wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

# The function lies in cv2 in the releases of Ubuntu 22.04 and 24.04, in a submodule later.
_set_level = getattr(cv2, 'setLogLevel', None) or cv2.utils.logging.setLogLevel
_SILENT = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Print nothing in the body of a with statement."""
    level = _set_level(_SILENT)
    try:
        yield
    finally:
        _set_level(level)
