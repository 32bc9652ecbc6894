"""`rosdep install` brings everything by apt, and requirements-ros.txt all that apt has not."""

from __future__ import annotations

import ast
from pathlib import Path
import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[2]
APT = yaml.safe_load(Path(__file__).with_name('apt_packages.yaml').read_text())
# Names of pip and of apt's packages, where they differ.
SAME = {'opencv-python-headless': 'python3-opencv', 'pillow': 'python3-pil',
        'pyyaml': 'python3-yaml'}


def keys() -> set[str]:
    """Return the keys that rosdep resolves for package.xml."""
    root = ElementTree.parse(ROOT / 'package.xml').getroot()
    return {item.text for item in root if item.tag.endswith('depend')}


def by_pip() -> set[str]:
    """Return the packages of requirements-ros.txt."""
    lines = (ROOT / 'requirements-ros.txt').read_text().splitlines()
    return {re.match('[a-z-]+', line)[0] for line in lines if not line.startswith('#')}


def test_every_key_is_an_apt_package():
    """A key that resolves to pip ends rosdep with an error on Ubuntu 24.04 (PEP 668)."""
    assert keys() <= {*APT['ubuntu'], *APT['ros']}


def test_nothing_that_setup_py_needs_is_forgotten():
    call = next(node for node in ast.walk(ast.parse((ROOT / 'setup.py').read_text()))
                if isinstance(node, ast.keyword) and node.arg == 'install_requires')
    for name in ast.literal_eval(call.value):
        assert name in by_pip() or SAME.get(name, f'python3-{name}') in keys(), name


@pytest.mark.slow
@pytest.mark.parametrize('ubuntu, distro', [
    ('jammy', 'humble'), ('noble', 'jazzy'), ('noble', 'kilted')])
def test_the_line_of_the_readme_installs_by_apt_alone(ubuntu, distro):
    if not shutil.which('rosdep') or subprocess.run(
            ['rosdep', 'resolve', 'python3-yaml', '--os=ubuntu:noble'],
            capture_output=True).returncode:
        pytest.skip('rosdep is not installed, or `rosdep update` was not run')
    line = re.search('^rosdep install.*', (ROOT / 'README.md').read_text(), re.MULTILINE)[0]
    done = subprocess.run(
        [*line.replace(' src ', f' {ROOT} ').split(), '--simulate', '--reinstall',
         f'--os=ubuntu:{ubuntu}', f'--rosdistro={distro}'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f'apt-get install -y ros-{distro}-rclpy' in done.stdout
    assert '#[pip]' not in done.stdout
