"""A minute of the soak: every fault twice, and all that can be judged in so short a time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from robot import ROOT

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_a_minute_of_faults_leaves_the_node_as_it_was(tmp_path, record_property):
    """No unexpected error, no thread or descriptor more, no ghost; slopes take ten minutes."""
    done = subprocess.run(
        [sys.executable, str(ROOT / 'benchmarks/soak.py'), '--minutes', '1', '--rate', '15',
         '--size', '64', '48', '--out', str(tmp_path)],
        capture_output=True, text=True, timeout=240, check=False)
    print('\n' + done.stdout)
    result = json.loads((tmp_path / 'soak.json').read_text())
    record_property('verdicts', done.stdout.strip())
    said = {verdict['name']: verdict['said'] for verdict in result['verdicts']}
    assert 'fails' not in said.values(), done.stdout
    assert done.returncode in (0, 3), done.stderr
    for name in ('threads', 'descriptors', 'oldest thermal image shown', 'unexpected errors',
                 'exit code'):
        assert said[name] == 'holds', done.stdout
    assert said['memory slope'] == said['p99 drift'] == 'not judged'
    assert len(result['faults']) == 18 and result['outputs'] > 200
    early, late = result['memory_mb']['private']
    assert late < 1.2 * early, 'memory does not settle'
