"""What one verb takes the others take: every verb that reads images, every kind of image."""

from __future__ import annotations

import shutil

import cv2
from image_kinds import HEAT
from image_kinds import IDS
from image_kinds import KINDS
from image_kinds import RGB
import numpy as np
import pytest

from uaafusion_ros import pipeline
from uaafusion_ros.cli.main import main
from uaafusion_ros.engine import models
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.errors import ModelFileError
from uaafusion_ros.evaluation.bags import read_images
from uaafusion_ros.imaging.files import read_label
from uaafusion_ros.imaging.files import read_rgb
from uaafusion_ros.imaging.files import read_thermal

GOOD = {'rgb': cv2.imencode('.png', RGB[..., ::-1])[1].tobytes(),
        'thermal': cv2.imencode('.png', HEAT)[1].tobytes(),
        'labels': cv2.imencode('.png', IDS)[1].tobytes()}
CASES = [pytest.param(role, kind, id=f'{role}: {kind}') for role, kind in KINDS]
CAMERAS = [case for case in CASES if case.values[0] != 'labels']


class MirrorBackend:
    """Not a model: gives both inputs back."""

    def infer(self, rgb, thermal):
        return EngineOutput(rgb, thermal, thermal)

    def prepare(self, *_):
        pass

    def close(self):
        pass


@pytest.fixture
def folder(tmp_path, request):
    """A folder of one pair and its labels, where one file is of the kind."""
    role, kind = (request.node.callspec.params[name] for name in ('role', 'kind'))
    for name, data in GOOD.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / 'a.png').write_bytes(KINDS[role, kind][0] if name == role else data)
    if role != 'labels':
        shutil.rmtree(tmp_path / 'labels')
    return tmp_path


def said(capsys):
    """Return the last line on stderr that is no progress bar."""
    captured = capsys.readouterr()
    lines = (captured.err + captured.out).replace('\r', '\n').splitlines()
    assert not any(line.startswith('Traceback') for line in lines)
    return '\n'.join(line for line in lines if '%|' not in line)


def judge(taken, code, text, role):
    """Assert that a file was taken, or refused by its name."""
    assert (code == 0) == taken, text
    if not taken:
        assert code == 2 and f'{role}/a.png' in text


@pytest.mark.parametrize('role, kind', CAMERAS)
def test_fuse(folder, role, kind, capsys, monkeypatch):
    monkeypatch.setattr(pipeline, 'load_backend', lambda **_: MirrorBackend())
    code = main(['fuse', '--rgb', str(folder / 'rgb'), '--thermal', str(folder / 'thermal'),
                 '--out', str(folder / 'out')])
    judge(KINDS[role, kind][1], code, said(capsys), role)


@pytest.mark.parametrize('role, kind', CAMERAS)
def test_explain(folder, role, kind, capsys, monkeypatch):
    def reached(*_):
        raise ModelFileError('both images were read')

    monkeypatch.setattr(models, 'shipped', reached)
    monkeypatch.setattr(models, 'shipped_weights', reached)
    assert main(['explain', '--rgb', str(folder / 'rgb' / 'a.png'), '--thermal',
                 str(folder / 'thermal' / 'a.png'), '--out', str(folder / 'why.png')]) == 2
    text = said(capsys)
    judge(KINDS[role, kind][1], 0 if 'both images were read' in text else 2, text, role)


@pytest.mark.parametrize('role, kind', CAMERAS)
def test_calibrate(folder, role, kind, capsys):
    corners = [(9, 9), (110, 12), (100, 80), (14, 70), (60, 40), (30, 60)]
    (folder / 'points.csv').write_text('view,thermal_x,thermal_y,rgb_x,rgb_y\n' + ''.join(
        f'a,{x},{y},{x + 2},{y + 1}\n' for x, y in corners))
    code = main(['calibrate', str(folder), '--out', str(folder / 'r.yaml'), '--pattern', 'points',
                 '--points', str(folder / 'points.csv')])
    judge(KINDS[role, kind][1], code, said(capsys), role)


@pytest.mark.parametrize('role, kind', CASES)
def test_make_bag(folder, role, kind, capsys):
    code = main(['make-bag', str(folder), '--out', str(folder / 'bag')])
    if (role, kind) == ('labels', 'other ids'):
        assert code == 2  # train knows no such class, a bag's 8 bits cannot hold it
    judge(KINDS[role, kind][1], code, said(capsys), role)
    assert (folder / 'bag').exists() == (code == 0)


@pytest.mark.parametrize('role, kind', CASES)
def test_train_check(folder, role, kind, capsys):
    pytest.importorskip('torch')
    from train.check import main as check
    if role == 'labels':
        (folder / 'classes.yaml').write_text('classes:\n' + ''.join(
            f'  - {{name: {name}, colour: [{k}, 90, 9]}}\n' for k, name in enumerate('abc')))
    code = check(['pairs', str(folder)])
    judge(KINDS[role, kind][1], code, said(capsys), role)


@pytest.mark.parametrize('role, kind', [case for case in CASES if KINDS[case.values][1]])
def test_what_is_taken_is_upright_and_right(folder, role, kind):
    path = folder / role / 'a.png'
    if role == 'labels':
        label = read_label(path)
        np.testing.assert_array_equal(label if label.ndim == 2 else label[..., 0], IDS)
    elif role == 'rgb':
        got = read_rgb(path).astype(int)
        assert got.shape == RGB.shape and got.dtype == int
        if 'gray' in kind:
            assert np.abs(got - RGB[..., :1]).mean() < 3
        elif kind not in ('palette png', 'two levels'):
            assert np.abs(got - RGB).mean() < 12  # webp and jpeg blur the chequers
    else:
        found = read_thermal(path)
        assert found.array.shape == HEAT.shape and not found.findings
        values = found.array.astype(float)
        assert np.corrcoef(values.ravel(), HEAT.ravel())[0, 1] > 0.999


@pytest.mark.parametrize('role, kind', [
    ('rgb', 'jpeg turned by 6'), ('rgb', 'png turned by 3'), ('thermal', 'tiff turned by 8'),
    ('thermal', 'jpeg turned by 5'), ('labels', 'png turned')])
def test_raw_and_compressed_bags_are_upright_alike(folder, role, kind):
    for name, more in (('raw', ()), ('compressed', ('--compressed',))):
        assert main(['make-bag', str(folder), '--out', str(folder / name), *more]) == 0
    raw, compressed = (
        {topic.split('/')[1]: frame for topic, _, frame in read_images(folder / name)}
        for name in ('raw', 'compressed'))
    for camera in raw:
        ours, theirs = raw[camera].array.astype(int), compressed[camera].array
        assert ours.shape == theirs.shape and np.abs(ours - theirs).mean() < 9
