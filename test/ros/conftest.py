"""A robot per test: each on a DDS domain of its own, restricted to this machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
import os
from pathlib import Path
from typing import Any

import pytest

# Without ROS there is nothing here that could be imported.
collect_ignore_glob = [] if find_spec('rclpy') else ['test_*.py']
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def robot(domain: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start nodes and cameras with the shipped transport profile, and end them all."""
    from robot import Robot
    for name, value in {
        'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config/fastdds.xml'),
        'PYTHONPATH': os.pathsep.join(
            filter(None, (str(ROOT), os.environ.get('PYTHONPATH', '')))),
        'RCUTILS_LOGGING_BUFFERED_STREAM': '0',
    }.items():
        monkeypatch.setenv(name, value)
    robot = Robot(domain)
    yield robot
    robot.close()
