"""Damaged bags through replay: no crash, no hang, no traceback, no complete result of less."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

pytest.importorskip('rosbags')
COUNT = int(os.environ.get('FUZZED_BAGS', 20))


def test_damaged_bags_are_told():
    """They are replayed in a process of its own; 200 are thorough."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name('bag_fuzz.py')), '0', str(COUNT)],
        capture_output=True, text=True, timeout=120 + 6 * COUNT)
    assert done.returncode == 0, done.stderr[-2000:]
    *wrong, summary = done.stdout.splitlines()
    assert not wrong, '\n'.join(wrong[:20])
    replayed, refused = (int(word) for word in summary.split() if word.isdigit())
    assert replayed + refused == COUNT and replayed and refused
