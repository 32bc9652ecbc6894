"""`uaafusion doctor` over real DDS: two cameras, one of them without the DDS profile."""

from __future__ import annotations

import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

from uaafusion_ros.harness.camera import Cameras

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]
PROFILE = str(ROOT / 'config/fastdds.xml')
VGA = ('--rate', 15, '--size', 640, 480, '--wait', 60)


def doctor(*arguments):
    """Return the exit code, and the table as one line."""
    done = subprocess.run(
        [sys.executable, '-m', 'uaafusion_ros.cli.main', 'doctor', *arguments], cwd=ROOT,
        capture_output=True, text=True, timeout=120)
    return done.returncode, ' '.join(done.stdout.split()), done.stdout + done.stderr


def test_two_cameras_are_measured_and_the_one_without_profile_is_found(monkeypatch):
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', PROFILE)
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    plain = {name: value for name, value in os.environ.items()
             if name != 'FASTDDS_DEFAULT_PROFILES_FILE'}
    with Cameras('--cameras', 'rgb', '--reliable', *VGA), \
            Cameras('--cameras', 'thermal', '--thermal-encoding', 'mono16', *VGA,
                    environment=plain):
        code, table, text = doctor('--seconds', '4')
    thermal, rgb = table.split('thermal camera ')[1].split('rgb camera ')
    assert code >= 1, text
    assert all(word in rgb for word in ('reliable', 'rgb8', 'rgb_optical')), text
    assert 'shared memory' not in rgb, text
    assert float(re.search(r'([\d.]+) Hz', rgb)[1]) == pytest.approx(15, abs=3), text
    assert thermal.startswith(('warning', 'problem')), text
    assert 'best effort' in thermal and '0.5 MB of shared memory' in thermal, text
    assert 'FASTDDS_DEFAULT_PROFILES_FILE' in thermal, text


def test_a_wrong_name_is_answered_with_the_right_one():
    with Cameras('--cameras', 'rgb', '--namespace', 'front', '--wait', 60):
        code, table, text = doctor('--seconds', '0.5')
    assert code == 2, text
    assert 'nobody publishes /rgb/image_raw' in table and '/front/rgb/image_raw' in table, text


def test_an_rmw_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_none_cpp')
    code, table, text = doctor('--seconds', '0.5')
    assert code == 2 and 'rmw_none_cpp' in table and 'unset RMW_IMPLEMENTATION' in table, text
