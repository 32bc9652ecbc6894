"""
TensorRT's and OpenVINO's engines that were built here, kept for the next start.

Beside `<name>.engine` lies `<name>.json`, its manifest: what the engine was built from and for,
and the digest of its bytes. The manifest is written last, so that an engine without one is
remains of a process that died, and is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from contextlib import suppress
from dataclasses import asdict
from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from typing import NamedTuple

from uaafusion_ros.engine import trust
from uaafusion_ros.engine.contract import BuildCancelled
from uaafusion_ros.engine.trust import Untrusted

SCHEMA = 3
# As many sizes, precisions and cameras as one robot has; older entries go.
KEPT = 12
_LARGEST = {'.engine': 2 << 30, '.json': 1 << 20, '.timing': 256 << 20}
# The parts of a key that say for which machine an engine is; the rest says what it computes.
_MACHINE = ('runtime', 'device', 'capability', 'platform')


@dataclass(frozen=True)
class EngineKey:
    """
    All that an engine depends on; a difference in any field means another engine.

    runtime: with its version. device and capability are '' where an engine serves any.
    """

    model: str
    onnx_sha256: str
    package: str
    runtime: str
    device: str
    capability: str
    platform: str
    precision: str
    keep_fp32: tuple[str, ...]
    size: str
    schema: int = SCHEMA

    @property
    def digest(self) -> str:
        """The sha256 over every field."""
        return _sha256(json.dumps(asdict(self), sort_keys=True).encode())

    def fields(self) -> list[tuple[str, str]]:
        """Return every field's name and value, for people."""
        return [(name, _short(value)) for name, value in asdict(self).items()]

    @property
    def name(self) -> str:
        """Name of the entry's files, without an ending."""
        model = ''.join(c if c.isalnum() or c in '-_' else '_' for c in self.model)[:40]
        return f'{model}-{self.precision}-{self.size}-{self.digest[:16]}'


def user_folder() -> Path:
    """Return $XDG_CACHE_HOME/uaafusion_ros, or the same below ~/.cache."""
    base = os.environ.get('XDG_CACHE_HOME', '')
    # The XDG specification has relative paths ignored.
    root = Path(base)
    if not root.is_absolute():
        try:
            root = Path.home() / '.cache'
        except RuntimeError:  # a container's user without an entry in passwd
            root = Path(gettempdir()) / f'cache_of_{os.getuid()}'
    return root / 'uaafusion_ros'


def default_folder() -> Path:
    """Return the folder of engines where no other is named."""
    return user_folder() / 'engines'


class Cached(NamedTuple):
    """
    A serialised engine and where it comes from, in words.

    verdict: what the accuracy check said of it, (passed, text); None where it was not checked.
    """

    engine: bytes
    origin: str
    verdict: tuple[bool, str] | None = None


class EngineCache:
    """
    Engines in a private folder, one builder at a time among all processes.

    Anything that is not provably what this user put there is not returned; what the disk does
    not hold is built. Safe against processes that die at any point.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get_or_build(self, key: EngineKey, build: Callable[[], bytes],
                     say: Callable[[str], None],
                     go_on: Callable[[], bool] = lambda: True) -> Cached:
        """
        Return an engine, from the folder or built now.

        say: told why an engine is built, and each trouble with the cache. go_on: asked while
        another process builds; False raises BuildCancelled. What `build` raises passes through.
        """
        with ExitStack() as held:
            folder: int | None = None
            try:
                folder = held.enter_context(trust.private_folder(self.folder))
                found, reason = self._look(folder, key)
                if found is None:
                    held.enter_context(trust.locked(folder, _waiting(say, go_on)))
                    # The process that held the lock may have built this very engine.
                    found, reason = self._look(folder, key)
                if found is not None:
                    return found
                _remove_remains(folder)
            except (Untrusted, OSError) as error:
                folder = None
                reason = f'the engine cache {self.folder} is not used: {_words(error)}'
            say(f'building an engine: {reason}')
            engine = build()
            if folder is not None:
                self._store(folder, key, engine, say)
            return Cached(engine, f'built: {reason}')

    def state(self, key: EngineKey) -> tuple[bool, str]:
        """Return whether there is an engine for a key, and a sentence on it; builds nothing."""
        if not self.folder.exists():
            return False, f'there is no folder {self.folder} yet'
        try:
            with trust.private_folder(self.folder) as folder:
                found, reason = self._look(folder, key)
        except (Untrusted, OSError) as error:
            return False, _words(error)
        return found is not None, reason

    def _look(self, folder: int, key: EngineKey) -> tuple[Cached | None, str]:
        """Return an engine that may be deserialised, or None and the reason."""
        try:
            manifest = _manifest(folder, f'{key.name}.json')
        except FileNotFoundError:
            return None, _nearest(folder, key)
        except Untrusted as error:
            return None, f'its manifest is refused: {error}'
        if manifest.get('key') != json.loads(json.dumps(asdict(key))):
            return None, 'its manifest describes another engine'
        try:
            engine = trust.read(folder, f'{key.name}.engine', _LARGEST['.engine'])
        except FileNotFoundError:
            return None, 'its manifest is there but the engine is gone'
        except Untrusted as error:
            return None, f'the engine file is refused: {error}'
        if len(engine) != manifest.get('bytes'):
            return None, (f'the engine file has {len(engine)} bytes, its manifest says '
                          f'{manifest.get("bytes")}')
        if _sha256(engine) != manifest.get('engine_sha256'):
            return None, 'the engine file was altered: its sha256 is not that of its manifest'
        gate = manifest.get('gate')
        verdict = ((gate.get('passed') is True, str(gate.get('text', '')))
                   if isinstance(gate, dict) else None)
        return Cached(engine, f'loaded from {self.folder}', verdict), 'there is a valid engine'

    def _store(self, folder: int, key: EngineKey, engine: bytes,
               say: Callable[[str], None]) -> None:
        manifest = {'key': asdict(key), 'engine_sha256': _sha256(engine), 'bytes': len(engine)}
        try:
            # First of all the old manifest goes: it must never stand beside a new engine.
            for ending in ('.json', '.engine'):
                trust.remove(folder, key.name + ending)
            trust.write(folder, f'{key.name}.engine', engine)
            _write_manifest(folder, key, manifest)
            _remove_oldest(folder)
        except OSError as error:
            _remove_remains(folder)
            say(f'the engine could not be kept in {self.folder} ({_words(error)}); it runs, but '
                'the next start builds it again: free some space or name another cache folder')

    def keep_verdict(self, key: EngineKey, engine: bytes, passed: bool, text: str) -> None:
        """Keep a verdict with the engine it is about; an engine that is not kept has none."""
        # What cannot be kept is checked again at the next start.
        with suppress(Untrusted, OSError), trust.private_folder(self.folder) as folder:
            manifest = _manifest(folder, f'{key.name}.json')
            if manifest.get('engine_sha256') == _sha256(engine):
                manifest['gate'] = {'passed': passed, 'text': text}
                _write_manifest(folder, key, manifest)

    def timing(self, key: EngineKey) -> bytes:
        """Return the kernels that TensorRT timed for a key's machine; nothing if not trusted."""
        try:
            with trust.private_folder(self.folder) as folder:
                data = trust.read(folder, _timing_name(key), _LARGEST['.timing'])
        except (Untrusted, OSError):
            return b''
        digest, _, kernels = data.partition(b'\n')
        return kernels if digest.decode(errors='replace') == _sha256(kernels) else b''

    def keep_timing(self, key: EngineKey, data: bytes) -> None:
        """Keep what was timed, after a digest; a full disk is not worth a word here."""
        with suppress(Untrusted, OSError), trust.private_folder(self.folder) as folder:
            trust.write(folder, _timing_name(key), _sha256(data).encode() + b'\n' + data)


def _waiting(say: Callable[[str], None], go_on: Callable[[], bool]) -> Callable[[], None]:
    """Return what to do while another process builds: say so once, stop on request."""
    told: list[str] = []

    def wait() -> None:
        if not told:
            told.append('another process is building an engine; waiting for it')
            say(told[0])
        if not go_on():
            raise BuildCancelled('waiting for another process that builds an engine was stopped '
                                 'on request')

    return wait


def _remove_remains(folder: int) -> None:
    """Remove partial files and engines without a manifest; only for the holder of the lock."""
    manifests = {Path(name).stem for name in trust.names(folder, '.json')}
    for name in trust.names(folder):
        lonely = name.endswith('.engine') and Path(name).stem not in manifests
        if lonely or name.endswith(trust.PARTIAL):
            trust.remove(folder, name)


def _remove_oldest(folder: int) -> None:
    """Remove all but the newest KEPT entries; only for the holder of the lock."""
    entries = sorted(trust.names(folder, '.json'), reverse=True,
                     key=lambda name: os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime)
    for name in entries[KEPT:]:
        for ending in ('.json', '.engine'):
            trust.remove(folder, Path(name).stem + ending)


def _timing_name(key: EngineKey) -> str:
    machine = json.dumps([getattr(key, name) for name in _MACHINE])
    return f'kernels-{_sha256(machine.encode())[:16]}.timing'


def _write_manifest(folder: int, key: EngineKey, manifest: dict[str, Any]) -> None:
    text = json.dumps(manifest, indent=1, sort_keys=True)
    trust.write(folder, f'{key.name}.json', text.encode())


def _manifest(folder: int, name: str) -> dict[str, Any]:
    try:
        manifest = json.loads(trust.read(folder, name, _LARGEST['.json']))
    except ValueError as error:
        raise Untrusted(f'{name} is damaged') from error
    if not isinstance(manifest, dict):
        raise Untrusted(f'{name} is damaged')
    return manifest


def _nearest(folder: int, key: EngineKey) -> str:
    """Say in what the kept engine that is most like this one differs."""
    wanted = json.loads(json.dumps(asdict(key)))
    nearest: dict[str, tuple[Any, Any]] | None = None
    for name in trust.names(folder, '.json'):
        try:
            kept = _manifest(folder, name).get('key')
        except (Untrusted, OSError):
            continue
        if isinstance(kept, dict) and kept.get('model') == key.model:
            differs = {field: (kept.get(field), value) for field, value in wanted.items()
                       if kept.get(field) != value}
            if nearest is None or len(differs) < len(nearest):
                nearest = differs
    if nearest is None:
        return f'there is none for {key.model} yet'
    return 'the nearest is of another ' + ', '.join(
        f'{field} ({_short(old)}, now {_short(new)})' for field, (old, new) in nearest.items())


def _short(value: Any) -> str:
    text = ' '.join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return f'{text[:12]}...' if len(text) == 64 else text or 'any'


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f'{error.strerror}: {error.filename}' if error.filename else error.strerror
    return str(error)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
