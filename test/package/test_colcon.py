"""The package builds and installs with colcon as on a ROS distribution."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_colcon_build_installs_everything(tmp_path):
    """Entry points, ament index, launch, config, models and images lie where ROS looks."""
    colcon = shutil.which('colcon', path=f'{Path(sys.executable).parent}:{os.environ["PATH"]}')
    if colcon is None:
        pytest.skip('colcon is not installed')
    source = tmp_path / 'src' / 'uaafusion_ros'
    source.mkdir(parents=True)
    for name in ('uaafusion_ros', 'launch', 'config', 'models', 'resource', 'scripts',
                 'package.xml', 'setup.py', 'setup.cfg'):
        (source / name).symlink_to(ROOT / name)
    environment = {**os.environ, 'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}'}
    built = subprocess.run([colcon, 'build'], cwd=tmp_path, env=environment,
                           capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    prefix = tmp_path / 'install' / 'uaafusion_ros'
    share = prefix / 'share' / 'uaafusion_ros'
    for path in (
        prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / 'uaafusion_ros',
        prefix / 'lib' / 'uaafusion_ros' / 'fusion_node',
        prefix / 'lib' / 'uaafusion_ros' / 'uaafusion',
        share / 'package.xml', share / 'package.bash', share / 'hook' / 'ament_prefix_path.dsv',
        share / 'launch' / 'fusion.launch.py', share / 'config' / 'fusion.yaml',
        share / 'config' / 'fastdds.xml', share / 'models' / 'models.yaml',
    ):
        assert path.exists(), path
    for name, first in (('uaafusion', 'python3'), ('fusion_node', '-S python3 -S')):
        script = prefix / 'lib' / 'uaafusion_ros' / name
        # An active virtual environment is used, whose packages the Python of colcon may not see.
        assert script.read_text().startswith(f'#!/usr/bin/env {first}\n')
        assert os.access(script, os.X_OK)
    python, = prefix.glob('lib/python*/site-packages')
    run = subprocess.run(
        [sys.executable, '-c',
         'import uaafusion_ros, uaafusion_ros.share as s; print(uaafusion_ros.__file__); '
         'print(s.path("models", "models.yaml"))'],
        cwd=tmp_path, capture_output=True, text=True,
        env={**environment, 'PYTHONPATH': str(python), 'AMENT_PREFIX_PATH': str(prefix)})
    module, models = run.stdout.split()
    assert Path(module).is_relative_to(prefix), run.stderr
    assert Path(models) == share / 'models' / 'models.yaml'
    assert len(list((python / 'uaafusion_ros' / 'data' / 'tno').glob('*/*.png'))) == 12
