"""Hundreds of damaged image files: no crash, no hang, no traceback, no success that is none."""

import os
from pathlib import Path
import subprocess
import sys

COUNT = int(os.environ.get('FUZZED_FILES', 400))


def test_damaged_files_are_refused():
    """The reader runs in a process of its own, as a decoder may end it; 2000 are thorough."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name('file_fuzz.py')), '0', str(COUNT)],
        capture_output=True, text=True, timeout=60 + COUNT / 2)
    assert done.returncode == 0, done.stderr[-2000:]
    *wrong, summary = done.stdout.splitlines()
    assert not wrong, '\n'.join(wrong[:20])
    taken, refused = (int(word) for word in summary.split() if word.isdigit())
    assert taken + refused == 3 * COUNT and refused > taken > 0
