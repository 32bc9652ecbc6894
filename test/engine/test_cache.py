"""The engine cache: whatever happens to the disk, only our own whole engines come back."""

from contextlib import contextmanager
from dataclasses import fields
from dataclasses import replace
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import time

import pytest

from uaafusion_ros.engine import cache as caches
from uaafusion_ros.engine.cache import EngineCache
from uaafusion_ros.engine.cache import EngineKey
from uaafusion_ros.engine.contract import BuildCancelled

KEY = EngineKey(
    model='fast', onnx_sha256='ab' * 32, package='0.1.0', runtime='tensorrt 10.3.0', device='Orin',
    capability='SM87', platform='Linux aarch64', precision='fp16', keep_fp32=(), size='640x480')
ENGINE = random.Random(0).randbytes(20_000)
REBUILT = b'built again'
NOBODY = 65534


class Attempt:
    """One start of a node: what it got, why, and what it was told."""

    def __init__(self, folder, key=KEY, engine=REBUILT):
        self.said = []
        self.builds = 0

        def build():
            self.builds += 1
            return engine

        self.engine, self.reason, self.verdict = EngineCache(folder).get_or_build(
            key, build, self.said.append)

    @property
    def text(self):
        return ' '.join(self.said)


@pytest.fixture
def folder(tmp_path):
    """Return a cache that holds one engine."""
    place = tmp_path / 'engines'
    first = Attempt(place, engine=ENGINE)
    assert (first.engine, first.builds) == (ENGINE, 1)
    assert first.said == ['building an engine: there is none for fast yet']
    return place


def file(folder, ending, key=KEY):
    return folder / f'{key.name}.{ending}'


def assert_clean(folder, keys=(KEY,)):
    expected = {'lock', *(f'{key.name}.{end}' for key in keys for end in ('json', 'engine'))}
    assert {entry.name for entry in folder.iterdir()} == expected


def test_a_kept_engine_is_loaded_without_a_word(folder):
    again = Attempt(folder)
    assert (again.engine, again.builds, again.said) == (ENGINE, 0, [])
    assert again.reason == f'loaded from {folder}'
    assert_clean(folder)


@pytest.mark.parametrize('field', [field.name for field in fields(EngineKey)])
def test_any_other_field_is_another_engine_and_is_named(folder, field):
    old = getattr(KEY, field)
    new = {str: 'other', int: 7, tuple: ('network',)}[type(old)]
    other = Attempt(folder, replace(KEY, **{field: new}))
    assert (other.engine, other.builds) == (REBUILT, 1)
    assert field == 'model' or f'of another {field} (' in other.text
    assert Attempt(folder).engine == ENGINE


def test_a_new_tensorrt_is_named_with_both_versions(folder):
    other = Attempt(folder, replace(KEY, runtime='tensorrt 10.13.3'))
    assert other.said == ['building an engine: the nearest is of another runtime '
                          '(tensorrt 10.3.0, now tensorrt 10.13.3)']


def test_truncated_at_each_percent_is_never_returned(folder):
    path = file(folder, 'engine')
    for percent in range(100):
        path.write_bytes(ENGINE[:len(ENGINE) * percent // 100])
        again = Attempt(folder, engine=ENGINE)
        assert (again.engine, again.builds) == (ENGINE, 1)
        assert f'has {len(ENGINE) * percent // 100} bytes, its manifest says 20000' in again.text


def test_a_longer_engine_is_never_returned(folder):
    with open(file(folder, 'engine'), 'ab') as opened:
        opened.write(b'x')
    assert Attempt(folder).engine == REBUILT


def test_a_flipped_bit_of_the_engine_is_never_returned(folder):
    rng = random.Random(1)
    path = file(folder, 'engine')
    for _ in range(60):
        data = bytearray(ENGINE)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        again = Attempt(folder, engine=ENGINE)
        assert (again.engine, again.builds) == (ENGINE, 1)
        assert 'the engine file was altered' in again.text


def test_a_flipped_bit_of_the_manifest_returns_the_right_engine_or_none(folder):
    path = file(folder, 'json')
    good = path.read_bytes()
    rebuilt = 0
    places = range(0, len(good), 4)
    for place in places:
        data = bytearray(good)
        data[place] ^= 1 << place // 4 % 8
        path.write_bytes(data)
        again = Attempt(folder, engine=ENGINE)
        assert again.engine == ENGINE
        rebuilt += again.builds
    assert rebuilt > 0.8 * len(places)  # the rest was white space


@pytest.mark.parametrize(
    'manifest', [b'', b'{', b'[]', b'null', b'\xff\xfe', b'{"key": 1}', b'{}'])
def test_a_damaged_manifest_is_refused(folder, manifest):
    file(folder, 'json').write_bytes(manifest)
    again = Attempt(folder)
    assert again.engine == REBUILT
    assert 'manifest' in again.text


def test_a_stale_manifest_is_refused(folder):
    """The manifest of one engine beside the bytes of another, whole as both are."""
    other = replace(KEY, device='RTX 3060')
    Attempt(folder, other, engine=b'for the other GPU')
    file(folder, 'engine').write_bytes(file(folder, 'engine', other).read_bytes())
    assert Attempt(folder, engine=ENGINE).builds == 1
    for ending in ('json', 'engine'):
        file(folder, ending).write_bytes(file(folder, ending, other).read_bytes())
    again = Attempt(folder, engine=ENGINE)
    assert (again.engine, again.builds) == (ENGINE, 1)
    assert 'its manifest describes another engine' in again.text


def test_half_an_entry_is_none(folder):
    file(folder, 'engine').unlink()
    assert 'the engine is gone' in Attempt(folder, engine=ENGINE).text
    file(folder, 'json').unlink()
    assert Attempt(folder).engine == REBUILT


@pytest.mark.parametrize('ending', ['engine', 'json'])
@pytest.mark.parametrize('mode', [0o666, 0o660])
def test_a_file_that_others_can_write_is_refused_and_replaced(folder, ending, mode):
    file(folder, ending).chmod(mode)
    again = Attempt(folder)
    assert again.engine == REBUILT
    assert 'can be written by other users' in again.text
    assert Attempt(folder).builds == 0


@pytest.mark.parametrize('ending', ['engine', 'json'])
def test_a_symlink_is_refused_and_what_it_leads_to_is_left_alone(folder, tmp_path, ending):
    path, target = file(folder, ending), tmp_path / 'target'
    path.rename(target)
    before = target.read_bytes()
    path.symlink_to(target)
    again = Attempt(folder)
    assert again.engine == REBUILT
    assert 'refused' in again.text
    assert target.read_bytes() == before
    assert not path.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')
@pytest.mark.parametrize('ending', ['engine', 'json'])
def test_a_file_of_another_user_is_refused_and_replaced(folder, ending):
    os.chown(file(folder, ending), NOBODY, NOBODY)
    again = Attempt(folder)
    assert again.engine == REBUILT
    assert f'belongs to user {NOBODY}' in again.text
    assert Attempt(folder).builds == 0


@pytest.mark.parametrize('mode', [0o777, 0o770])
def test_a_folder_that_others_can_write_is_not_used_at_all(folder, mode):
    folder.chmod(mode)
    again = Attempt(folder)
    assert again.engine == REBUILT
    assert 'is not used' in again.text and 'can be written by other users' in again.text
    assert file(folder, 'engine').read_bytes() == ENGINE


def test_a_lock_that_is_a_link_does_not_open_its_target(folder, tmp_path):
    (folder / 'lock').unlink()
    (folder / 'lock').symlink_to(tmp_path / 'made')
    assert Attempt(folder, replace(KEY, device='other')).engine == REBUILT
    assert not (tmp_path / 'made').exists()


def test_a_folder_in_an_engines_place_does_not_stop_the_node(folder):
    file(folder, 'engine').unlink()
    file(folder, 'engine').mkdir()
    again = Attempt(folder)
    assert again.engine == REBUILT
    assert 'could not be kept' in again.text


def test_a_failed_build_is_raised_and_the_next_one_works(folder):
    other = replace(KEY, device='other')

    def broken():
        raise OSError(5, 'Input/output error')

    with pytest.raises(OSError, match='Input/output'):
        EngineCache(folder).get_or_build(other, broken, lambda text: None)
    assert Attempt(folder, other).builds == 1


def test_old_entries_go(folder, monkeypatch):
    monkeypatch.setattr(caches, 'KEPT', 3)
    keys = [replace(KEY, size=f'{width}x480') for width in range(5)]
    for age, key in enumerate(keys):
        Attempt(folder, key)
        os.utime(file(folder, 'json', key), (10**9 + age, 10**9 + age))
    Attempt(folder, keys[0])
    assert_clean(folder, [KEY, keys[0], keys[4]])


def test_state_tells_without_building(folder, tmp_path):
    cache = EngineCache(folder)
    assert cache.state(KEY) == (True, 'there is a valid engine')
    there, reason = cache.state(replace(KEY, device='RTX 3060'))
    assert not there and 'device (Orin, now RTX 3060)' in reason
    assert EngineCache(tmp_path / 'none').state(KEY)[0] is False
    assert not (tmp_path / 'none').exists()


# Real processes: a build, told by its first argument what to do.
CHILD = '''
import os, sys, time
from test_cache import EngineCache, ENGINE, KEY
folder, log, what = sys.argv[1:]

def build():
    with open(log, 'a') as file:
        print('built', file=file)
    time.sleep(float(what.split()[1]) if what.startswith('slow') else 0)
    return ENGINE

if what.startswith('stop'):
    # Stands still in the nth call that makes a write lasting.
    count, fsync = [int(what.split()[1])], os.fsync
    def stop(file):
        count[0] -= 1
        if count[0] == 0:
            print('here', flush=True)
            time.sleep(60)
        fsync(file)
    os.fsync = stop
if what == 'limit':
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
if what.startswith('slow'):
    print('ready', flush=True)
said = []
engine, reason, _ = EngineCache(__import__('pathlib').Path(folder)).get_or_build(
    KEY, build, said.append)
assert engine == ENGINE
print('|'.join([reason, *said]), flush=True)
'''


def child(folder, log, what):
    here = os.path.dirname(__file__)
    return subprocess.Popen(
        [sys.executable, '-c', CHILD, str(folder), str(log), what], text=True,
        stdout=subprocess.PIPE, env={**os.environ, 'PYTHONPATH': here})


def test_two_nodes_at_once_build_once(tmp_path):
    folder, log = tmp_path / 'engines', tmp_path / 'log'
    nodes = [child(folder, log, 'slow 1') for _ in range(2)]
    said = [node.communicate(timeout=60)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0]
    assert log.read_text() == 'built\n'
    first, second = sorted(said, key=lambda text: 'loaded' in text)
    assert 'built: there is none for fast yet' in first
    assert f'loaded from {folder}' in second
    assert_clean(folder)


def test_a_builder_that_dies_hands_the_lock_on(tmp_path):
    folder, log = tmp_path / 'engines', tmp_path / 'log'
    first = child(folder, log, 'slow 60')
    while not log.exists():
        time.sleep(0.02)
    second = child(folder, log, 'slow 0')
    assert second.stdout.readline() == 'ready\n'
    time.sleep(0.5)
    assert second.poll() is None
    first.kill()
    said = second.communicate(timeout=60)[0]
    first.wait()
    assert second.returncode == 0
    assert 'another process is building an engine; waiting for it' in said
    assert log.read_text() == 'built\nbuilt\n'
    assert_clean(folder)


def test_waiting_can_be_stopped(tmp_path):
    folder, log = tmp_path / 'engines', tmp_path / 'log'
    first = child(folder, log, 'slow 60')
    try:
        while not log.exists():
            time.sleep(0.02)
        with pytest.raises(BuildCancelled, match='stopped on request'):
            EngineCache(folder).get_or_build(KEY, lambda: b'', lambda text: None, lambda: False)
    finally:
        first.kill()
        first.communicate()


# Engine bytes, folder after the engine, manifest bytes, folder after the manifest.
@pytest.mark.parametrize('place,whole', [(1, False), (2, False), (3, False), (4, True)])
def test_killed_while_saving(tmp_path, place, whole):
    folder, log = tmp_path / 'engines', tmp_path / 'log'
    node = child(folder, log, f'stop {place}')
    assert node.stdout.readline() == 'here\n'
    node.send_signal(signal.SIGKILL)
    node.communicate()
    assert node.returncode == -signal.SIGKILL
    again = Attempt(folder, engine=ENGINE)
    assert (again.engine, again.builds) == (ENGINE, 0 if whole else 1)
    assert_clean(folder)


def test_killed_while_replacing_a_damaged_engine(folder, tmp_path):
    file(folder, 'engine').write_bytes(b'damaged')
    for place in (1, 2, 3):
        node = child(folder, tmp_path / 'log', f'stop {place}')
        assert node.stdout.readline() == 'here\n'
        node.kill()
        node.communicate()
    assert Attempt(folder, engine=ENGINE).engine == ENGINE
    assert_clean(folder)


@contextmanager
def small_disk(place):
    """Mount a file system of 64 kB, as only root may."""
    place.mkdir(mode=0o700)
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', str(place)],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'no file system can be mounted here: {done.stderr.strip()}')
    try:
        yield place
    finally:
        subprocess.run(['umount', str(place)], check=True)


def test_a_full_disk_costs_the_cache_and_nothing_else(tmp_path):
    with small_disk(tmp_path / 'disk') as disk:
        folder = disk / 'engines'
        Attempt(folder, engine=ENGINE)
        big = replace(KEY, size='1280x1024')
        first = Attempt(folder, big, engine=bytes(200_000))
        assert first.engine == bytes(200_000)
        assert 'could not be kept' in first.text and 'No space left on device' in first.text
        assert 'free some space' in first.text
        assert Attempt(folder).engine == ENGINE
        assert_clean(folder)
        (disk / 'filler').write_bytes(bytes(32_768))
        with open(disk / 'filler', 'ab', buffering=0) as filler:
            try:
                while filler.write(bytes(512)):
                    pass
            except OSError:
                pass
        assert Attempt(folder, big, engine=b'small').engine == b'small'
        assert Attempt(disk / 'other').engine == REBUILT


def test_a_file_size_limit_costs_the_cache_and_nothing_else(tmp_path):
    folder = tmp_path / 'engines'
    node = child(folder, tmp_path / 'log', 'limit')
    said = node.communicate(timeout=60)[0]
    assert node.returncode == 0
    assert 'could not be kept' in said and 'File too large' in said
    assert {entry.name for entry in folder.iterdir()} == {'lock'}


def test_a_verdict_is_kept_with_the_engine_it_is_about(folder):
    cache = EngineCache(folder)
    assert Attempt(folder).verdict is None
    cache.keep_verdict(KEY, ENGINE, False, 'noise: fused is off')
    again = Attempt(folder)
    assert (again.verdict, again.builds) == ((False, 'noise: fused is off'), 0)
    assert Attempt(folder, replace(KEY, device='other')).verdict is None
    cache.keep_verdict(KEY, ENGINE, True, '10 samples agree')
    assert Attempt(folder).verdict == (True, '10 samples agree')
    file(folder, 'engine').write_bytes(b'x')
    assert Attempt(folder).verdict is None
    assert Attempt(folder).verdict is None, 'that of the engine before'


def test_a_verdict_on_an_engine_that_is_not_kept_is_not_kept(folder):
    cache = EngineCache(folder)
    cache.keep_verdict(KEY, REBUILT, True, 'of other bytes')
    assert Attempt(folder).verdict is None
    cache.keep_verdict(replace(KEY, device='other'), ENGINE, True, 'of no entry')
    assert_clean(folder)


def test_timings_are_kept_per_gpu_and_checked(folder):
    cache = EngineCache(folder)
    assert cache.timing(KEY) == b''
    cache.keep_timing(KEY, b'kernels\nof this GPU')
    assert cache.timing(replace(KEY, size='320x256')) == b'kernels\nof this GPU'
    assert cache.timing(replace(KEY, device='RTX 3060')) == b''
    assert cache.timing(replace(KEY, runtime='tensorrt 10.13')) == b''
    path, = folder.glob('*.timing')
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.timing(KEY) == b''
    cache.keep_timing(KEY, b'again')
    path.chmod(0o666)
    assert cache.timing(KEY) == b''


def test_the_default_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert caches.default_folder() == tmp_path / 'uaafusion_ros' / 'engines'
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    for value in ('', 'relative'):
        monkeypatch.setenv('XDG_CACHE_HOME', value)
        assert caches.default_folder() == tmp_path / 'home/.cache/uaafusion_ros/engines'


def test_a_user_without_a_home_has_a_cache_all_the_same(monkeypatch):
    """As in a container that runs under a number nobody has a name for."""
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)

    def no_home():
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.setattr(Path, 'home', no_home)
    assert caches.default_folder().is_absolute()
