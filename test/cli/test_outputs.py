"""No verb overwrites what it reads, says so before the work, and leaves nothing half done."""

import os
import shutil

import cv2
import numpy as np
import pytest

from uaafusion_ros import pipeline
from uaafusion_ros.cli.main import main
from uaafusion_ros.engine import loading
from uaafusion_ros.engine import models
from uaafusion_ros.engine.contract import EngineOutput
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.harness.pictures import STILLS


@pytest.fixture
def folder(tmp_path):
    for camera in ('rgb', 'thermal'):
        (tmp_path / camera).mkdir()
        for name in ('11', '07'):
            image = cv2.imread(str(STILLS / camera / f'{name}.png'), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(tmp_path / camera / f'{name}.png'), cv2.resize(image, (96, 64)))
    return tmp_path


@pytest.fixture
def no_work(monkeypatch):
    """Any model that is loaded is work that began too early."""
    def begun(*_, **__):
        pytest.fail('the work began')

    for room, name in ((loading, 'load_backend'), (pipeline, 'load_backend'),
                       (models, 'load'), (models, 'shipped')):
        monkeypatch.setattr(room, name, begun)


def content(folder):
    return {path: path.read_bytes() for camera in ('rgb', 'thermal')
            for path in (folder / camera).iterdir()}


def explain(folder, out):
    return main(['explain', '--rgb', str(folder / 'rgb' / '11.png'), '--thermal',
                 str(folder / 'thermal' / '11.png'), '--out', str(out)])


def _itself(folder):
    return folder / 'rgb' / '11.png', 'would overwrite the input'


def _dotted(folder):
    return folder / 'rgb' / '..' / 'thermal' / '11.png', 'would overwrite the input'


def _link(folder):
    (folder / 'why.png').symlink_to(folder / 'rgb' / '11.png')
    return folder / 'why.png', 'would overwrite the input'


def _hard_link(folder):
    os.link(folder / 'thermal' / '11.png', folder / 'why.png')
    return folder / 'why.png', 'would overwrite the input'


def _no_suffix(folder):
    return folder / 'figure', 'is no name of a picture'


def _pdf(folder):
    return folder / 'figure.pdf', 'is no name of a picture'


def _folder(folder):
    return folder, 'is a folder'


def _below_a_file(folder):
    return folder / 'rgb' / '11.png' / 'why.png', 'cannot be a folder'


@pytest.mark.parametrize('spoil', [
    _itself, _dotted, _link, _hard_link, _no_suffix, _pdf, _folder, _below_a_file])
def test_explain_refuses_an_out_before_the_work(folder, capsys, no_work, spoil):
    out, said = spoil(folder)
    before = content(folder)
    assert explain(folder, out) == 2
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1
    assert content(folder) == before


@pytest.mark.parametrize('link', [os.symlink, os.link])
def test_fuse_does_not_write_over_linked_inputs(folder, capsys, no_work, link):
    """A data set of links into the folder of the results, as tools that sort files make."""
    (folder / 'out').mkdir()
    for camera in ('rgb', 'thermal'):
        shutil.move(folder / camera / '11.png', folder / 'out' / f'11{camera[0]}.png')
    shutil.copy(folder / 'out' / '11r.png', folder / 'out' / '11.png')
    link(folder / 'out' / '11.png', folder / 'rgb' / '11.png')
    shutil.copy(folder / 'out' / '11t.png', folder / 'thermal' / '11.png')
    before = content(folder)
    assert main(['fuse', '--rgb', str(folder / 'rgb'), '--thermal', str(folder / 'thermal'),
                 '--out', str(folder / 'out')]) == 2
    assert 'would overwrite the input' in capsys.readouterr().err
    assert content(folder) == before


def test_fuse_refuses_a_file_as_out(folder, capsys, no_work):
    (folder / 'out').write_text('mine')
    assert main(['fuse', '--rgb', str(folder / 'rgb'), '--thermal', str(folder / 'thermal'),
                 '--out', str(folder / 'out')]) == 2
    assert 'cannot be a folder' in capsys.readouterr().err
    assert (folder / 'out').read_text() == 'mine'


def _broken_label(folder):
    (folder / 'labels').mkdir()
    for name in ('07', '11'):
        cv2.imwrite(str(folder / 'labels' / f'{name}.png'), np.full((64, 96), 2, np.uint8))
    bad = folder / 'labels' / '11.png'
    good = bad.read_bytes()
    cv2.imwrite(str(bad), cv2.applyColorMap(cv2.imread(
        str(folder / 'rgb' / '11.png')), cv2.COLORMAP_JET))
    return bad, good


def _broken_image(folder):
    bad = folder / 'thermal' / '11.png'
    good = bad.read_bytes()
    bad.write_bytes(good[:-30])
    return bad, good


@pytest.mark.parametrize('spoil', [_broken_label, _broken_image])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_failed_bag_leaves_nothing_in_the_way_of_the_next(folder, capsys, spoil, storage):
    bad, good = spoil(folder)
    before = sorted(folder.iterdir())
    arguments = ['make-bag', str(folder), '--out', str(folder / 'new' / 'bag'), '--storage',
                 storage]
    assert main(arguments) == 2
    assert bad.name in capsys.readouterr().err
    assert sorted(folder.iterdir()) in (before, sorted([*before, folder / 'new']))
    assert not list((folder / 'new').glob('*')) if (folder / 'new').exists() else True
    bad.write_bytes(good)
    assert main(arguments) == 0
    source = BagSource(folder / 'new' / 'bag')
    assert source.name == 'bag' and not source.problem
    assert {topic.count for topic in source.topics} == {2}
    assert [path.name for path in (folder / 'new').iterdir()] == ['bag']


def test_a_bag_that_is_there_is_not_touched(folder, capsys):
    (folder / 'bag').write_text('mine')
    assert main(['make-bag', str(folder), '--out', str(folder / 'bag')]) == 2
    assert 'exists already' in capsys.readouterr().err
    assert (folder / 'bag').read_text() == 'mine'


@pytest.mark.parametrize('as_file', [True, False])
def test_replay_does_not_write_into_the_bag(folder, capsys, as_file):
    bag = folder / 'drives' / 'drive'
    assert main(['make-bag', str(folder), '--out', str(bag)]) == 0
    before = sorted(path.name for path in bag.iterdir())
    asked = bag / 'drive.mcap' if as_file else bag
    assert main(['replay', str(asked), '--out', str(folder / 'drives')]) == 2
    assert 'where the bag lies' in capsys.readouterr().err
    assert sorted(path.name for path in bag.iterdir()) == before


def test_a_full_disk_leaves_no_half_picture(folder, capsys, monkeypatch):
    import pathlib

    def full(*_):
        raise OSError(28, 'No space left on device')

    class Mirror:
        def infer(self, rgb, thermal):
            return EngineOutput(rgb, thermal, thermal)

        def close(self):
            pass

    monkeypatch.setattr(pipeline, 'load_backend', lambda **_: Mirror())
    monkeypatch.setattr(pathlib.Path, 'write_bytes', full)
    assert main(['fuse', '--rgb', str(folder / 'rgb'), '--thermal', str(folder / 'thermal'),
                 '--out', str(folder / 'out')]) == 2
    assert 'No space left' in capsys.readouterr().err
    assert not list((folder / 'out').iterdir())
