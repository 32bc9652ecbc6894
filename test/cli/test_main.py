"""The command itself: verbs, version, exit codes, and no heavy import before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from uaafusion_ros import __version__
from uaafusion_ros.cli import main as command
from uaafusion_ros.cli.parameters import parameters_markdown
from uaafusion_ros.errors import BagError
from uaafusion_ros.harness.pictures import STILLS

STILL = str(STILLS / 'rgb' / '11.png')


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        command.main(['--version'])
    assert end.value.code == 0
    assert capsys.readouterr().out == f'uaafusion {__version__}\n'


@pytest.mark.parametrize('verb', [[], *([name] for name in command.VERBS)])
def test_help_names_every_verb_and_explains_each(capsys, verb):
    with pytest.raises(SystemExit) as end:
        command.main([*verb, '--help'])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in (verb or command.VERBS))


@pytest.mark.parametrize('arguments', [
    [], ['melt'], ['fuse'], ['demo', '--rate', '0'], ['demo', '--rate', 'fast'],
    ['demo', '--seconds', 'nan'], ['demo', '--seconds', '-1']])
def test_wrong_arguments_end_with_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 2


@pytest.mark.parametrize('error, code, text', [
    (BagError('the bag is torn'), 2, 'uaafusion demo: the bag is torn\n'),
    (KeyboardInterrupt(), 130, 'uaafusion demo: interrupted\n')])
def test_errors_become_one_line(monkeypatch, capsys, error, code, text):
    def fail(options):
        raise error

    monkeypatch.setattr(command.VERBS['demo'], 'run', fail)
    assert command.main(['demo']) == code
    assert capsys.readouterr().err == text


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(command.VERBS['demo'], 'run', lambda options: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        command.main(['demo'])


@pytest.mark.slow
@pytest.mark.parametrize('arguments, module, package', [
    (['replay', 'drive', '--out', 'out'], 'rosbags', 'rosbags'),
    (['calibrate', 'drive', '--out', 'a.yaml'], 'rosbags', 'rosbags'),
    (['make-bag', 'images', '--out', 'bag'], 'rosbags', 'rosbags'),
    (['fuse', '--rgb', STILL, '--thermal', STILL, '--out', 'out'], 'onnxruntime', 'onnxruntime'),
    (['explain', '--rgb', STILL, '--thermal', STILL], 'onnx', 'onnx'),
])
def test_a_missing_package_is_one_line_with_the_command(tmp_path, arguments, module, package):
    (tmp_path / 'drive').mkdir()
    (tmp_path / 'images').mkdir()
    code = (f'import sys; sys.modules[{module!r}] = None\n'
            'from uaafusion_ros.cli.main import main\nsys.exit(main(sys.argv[1:]))')
    done = subprocess.run([sys.executable, '-c', code, *arguments], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    line, = [line for line in done.stderr.splitlines() if line.startswith('uaafusion ')]
    assert f'the Python package {package} ' in line
    assert f'{sys.executable} -m pip install {package}' in line


def test_the_command_starts_without_heavy_imports():
    code = ('import sys; from uaafusion_ros.cli.main import main\n'
            'try: main(["--version"])\nexcept SystemExit: pass\n'
            'print(sorted({"numpy", "cv2", "rclpy", "torch", "rosbags", "tqdm", "onnxruntime"}'
            ' & set(sys.modules)))')
    out = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == '[]'


def test_parameters_prints_the_table_without_ros(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    assert command.main(['parameters']) == 0
    assert capsys.readouterr().out == parameters_markdown()
