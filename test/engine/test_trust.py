"""Nothing is read that somebody else could have written."""

import os
import stat

import pytest

from uaafusion_ros.engine import trust
from uaafusion_ros.engine.trust import Untrusted

LIMIT = 1 << 20
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')


@pytest.fixture
def place(tmp_path):
    return tmp_path / 'cache' / 'engines'


def put(place, data=b'engine', name='a.engine'):
    with trust.private_folder(place) as folder:
        trust.write(folder, name, data)
    return place / name


def get(place, name='a.engine'):
    with trust.private_folder(place) as folder:
        return trust.read(folder, name, LIMIT)


def test_what_was_written_comes_back_and_is_private(place):
    umask = os.umask(0)
    try:
        path = put(place)
    finally:
        os.umask(umask)
    assert get(place) == b'engine'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (place, place.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [entry.name for entry in place.iterdir()] == ['a.engine']


def test_a_folder_that_others_can_read_is_closed(place):
    put(place)
    place.chmod(0o755)
    assert get(place) == b'engine'
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize('mode', [0o770, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_can_write_is_refused(place, mode):
    put(place)
    place.chmod(mode)
    with pytest.raises(Untrusted, match='can be written by other users'):
        get(place)


@pytest.mark.parametrize('mode', [0o777, 0o775])
def test_a_parent_that_others_can_write_is_refused(place, mode):
    put(place)
    place.parent.chmod(mode)
    with pytest.raises(Untrusted, match='chmod go-w .*cache'):
        get(place)


def test_a_new_folder_is_not_made_below_such_a_parent(tmp_path):
    (tmp_path / 'open').mkdir()
    (tmp_path / 'open').chmod(0o777)
    with pytest.raises(Untrusted):
        get(tmp_path / 'open' / 'engines')
    assert not list((tmp_path / 'open').iterdir())


def test_a_sticky_parent_is_accepted(place):
    """Only the owner of a folder in /tmp can rename it."""
    put(place)
    place.parent.chmod(0o1777)
    assert get(place) == b'engine'


def test_a_link_in_the_folders_place_is_refused(place, tmp_path):
    real = tmp_path / 'real'
    put(real)
    place.parent.mkdir(mode=0o700)
    place.symlink_to(real)
    with pytest.raises(Untrusted, match='is a link or no folder'):
        get(place)


def test_a_link_above_the_folder_counts_as_what_it_leads_to(tmp_path):
    put(tmp_path / 'real' / 'engines')
    (tmp_path / 'named').symlink_to(tmp_path / 'real')
    assert get(tmp_path / 'named' / 'engines') == b'engine'
    (tmp_path / 'real').chmod(0o777)
    with pytest.raises(Untrusted, match='real can be written'):
        get(tmp_path / 'named' / 'engines')


@pytest.mark.parametrize('mode', [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused(place, mode):
    put(place).chmod(mode)
    with pytest.raises(Untrusted, match='a.engine can be written by other users'):
        get(place)


def test_links_pipes_and_folders_are_no_files(place, tmp_path):
    path = put(place)
    outside = tmp_path / 'outside'
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(Untrusted, match='cannot be opened as a plain file'):
        get(place)
    path.unlink()
    os.link(outside, path)
    with pytest.raises(Untrusted, match='second name'):
        get(place)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(Untrusted, match='no plain file'):
        get(place)
    path.unlink()
    path.mkdir()
    with pytest.raises(Untrusted, match='no plain file'):
        get(place)


def test_a_file_larger_than_any_of_ours_is_not_read(place):
    with open(put(place), 'wb') as file:
        file.truncate(LIMIT + 1)
    with pytest.raises(Untrusted, match=f'has {LIMIT + 1} bytes'):
        get(place)


def test_a_missing_file_is_missing_and_not_untrusted(place):
    put(place)
    with pytest.raises(FileNotFoundError):
        get(place, 'b.engine')


@needs_root
@pytest.mark.parametrize('whose', ['file', 'folder', 'parent'])
def test_another_owner_is_refused(place, whose):
    path = put(place)
    os.chown({'file': path, 'folder': place, 'parent': place.parent}[whose], NOBODY, NOBODY)
    with pytest.raises(Untrusted, match=f'belongs to user {NOBODY}'):
        get(place)


def test_a_failed_write_leaves_the_old_file_whole(place, monkeypatch):
    put(place)

    def full(file):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space left'):
        put(place, b'newer')
    monkeypatch.undo()
    assert get(place) == b'engine'
    assert [entry.name for entry in place.iterdir()] == ['a.engine']
