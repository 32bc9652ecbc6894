"""
Engines that were built here, kept for the next start, and nothing else.

Beside `<name>.engine` lies `<name>.json`, its manifest: what the engine was built from and for,
and the digest of its bytes. The manifest is written last, so that an engine without one is
remains of a process that died, and is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
import platform
from typing import Any

from uaafusion_ros import __version__
from uaafusion_ros.engine.tensorrt import housekeeping
from uaafusion_ros.engine.tensorrt import trust
from uaafusion_ros.engine.tensorrt.api import Api
from uaafusion_ros.engine.tensorrt.builder import BuildOptions
from uaafusion_ros.engine.tensorrt.housekeeping import Say
from uaafusion_ros.engine.tensorrt.trust import Untrusted

SCHEMA = 1
_LARGEST = {'.engine': 2 << 30, '.json': 1 << 20, '.timing': 256 << 20}
# The parts of a key that say for which machine an engine is; the rest says what it computes.
_MACHINE = ('tensorrt', 'gpu', 'capability', 'platform')


@dataclass(frozen=True)
class EngineKey:
    """
    All that an engine depends on; a difference in any field means another engine.

    gpu and capability are '' where an engine serves any.
    """

    model: str
    onnx_sha256: str
    package: str
    tensorrt: str
    gpu: str
    capability: str
    platform: str
    precision: str
    keep_fp32: tuple[str, ...]
    sizes: str
    workspace_mib: int
    optimization_level: int
    compatibility: str
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
        return f'{self.model}-{self.precision}-{self.sizes.replace(":", "-")}-{self.digest[:16]}'


def engine_key(api: Api, model: str, onnx_sha256: str, options: BuildOptions, gpu: str = '',
               capability: tuple[int, int] | None = None) -> EngineKey:
    """
    Return the key of an engine.

    model: short name for people, such as the preset. gpu, capability: of the GPU that is there.
    TensorRT measures on that very GPU; TensorRT-RTX compiles for a compute capability, whichever
    GPU has it, so that an engine made for `options.capability` is found by the GPU later.
    """
    own = f'SM{capability[0]}{capability[1]}' if capability else ''
    return EngineKey(
        model=''.join(c if c.isalnum() or c in '-_' else '_' for c in model)[:40],
        onnx_sha256=onnx_sha256, package=__version__, tensorrt=api.name,
        gpu=gpu if api.flavour == 'tensorrt' and options.compatibility == 'none' else '',
        capability='' if options.compatibility == 'ampere_plus' else options.capability or own,
        platform=f'{platform.system()} {platform.machine()}', precision=options.precision,
        keep_fp32=options.keep_fp32, sizes=str(options.sizes),
        workspace_mib=options.workspace_mib, optimization_level=options.optimization_level,
        compatibility=options.compatibility)


def default_folder() -> Path:
    """Return $XDG_CACHE_HOME/uaafusion_ros/engines, or the same below ~/.cache."""
    base = os.environ.get('XDG_CACHE_HOME', '')
    # The XDG specification has relative paths ignored.
    root = Path(base) if os.path.isabs(base) else Path.home() / '.cache'
    return root / 'uaafusion_ros' / 'engines'


class EngineCache:
    """
    Engines in a private folder, one builder at a time among all processes.

    Anything that is not provably what this user put there is not returned; what the disk does
    not hold is built. Safe against processes that die at any point.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get_or_build(self, key: EngineKey, build: Callable[[], bytes], say: Say,
                     go_on: Callable[[], bool] = lambda: True) -> tuple[bytes, str]:
        """
        Return an engine's bytes and where they come from, in words.

        say: told why an engine is built, and each trouble with the cache. go_on: asked while
        another process builds; False raises BuildCancelled. What `build` raises passes through.
        """
        with ExitStack() as held:
            folder: int | None = None
            try:
                folder = held.enter_context(trust.private_folder(self.folder))
                found, reason = self._look(folder, key)
                if found is None:
                    held.enter_context(housekeeping.locked(folder, say, go_on))
                    # The process that held the lock may have built this very engine.
                    found, reason = self._look(folder, key)
                if found is not None:
                    return found, f'loaded from {self.folder}'
                housekeeping.sweep(folder)
            except (Untrusted, OSError) as error:
                folder = None
                reason = f'the engine cache {self.folder} is not used: {_words(error)}'
            say(f'building an engine: {reason}')
            engine = build()
            if folder is not None:
                self._store(folder, key, engine, say)
            return engine, f'built: {reason}'

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

    def _look(self, folder: int, key: EngineKey) -> tuple[bytes | None, str]:
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
        return engine, 'there is a valid engine'

    def _store(self, folder: int, key: EngineKey, engine: bytes, say: Say) -> None:
        manifest = {'key': asdict(key), 'engine_sha256': _sha256(engine), 'bytes': len(engine)}
        try:
            # First of all the old manifest goes: it must never stand beside a new engine.
            for ending in ('.json', '.engine'):
                housekeeping.remove(folder, key.name + ending)
            trust.write(folder, f'{key.name}.engine', engine)
            trust.write(folder, f'{key.name}.json',
                        json.dumps(manifest, indent=1, sort_keys=True).encode())
            housekeeping.prune(folder)
        except OSError as error:
            housekeeping.sweep(folder)
            say(f'the engine could not be kept in {self.folder} ({_words(error)}); it runs, but '
                'the next start builds it again: free some space or name another cache folder')


class Verdicts:
    """What the accuracy gate said of an engine, kept so that it is asked once per engine."""

    def __init__(self, cache: EngineCache) -> None:
        self._cache = cache

    def read(self, key: EngineKey, engine: bytes) -> tuple[bool, str] | None:
        """Return (passed, text) of an engine's bytes, or None where the gate was not asked."""
        try:
            with trust.private_folder(self._cache.folder) as folder:
                found = _manifest(folder, f'{key.name}.json').get('gate')
        except (Untrusted, OSError):
            return None
        if not isinstance(found, dict) or found.get('engine_sha256') != _sha256(engine):
            return None
        return found.get('passed') is True, str(found.get('text', ''))

    def write(self, key: EngineKey, engine: bytes, passed: bool, text: str) -> None:
        """Keep a verdict with the engine it is about; an engine that is not kept has none."""
        digest = _sha256(engine)
        try:
            with trust.private_folder(self._cache.folder) as folder:
                manifest = _manifest(folder, f'{key.name}.json')
                if manifest.get('engine_sha256') == digest:
                    manifest['gate'] = {'engine_sha256': digest, 'passed': passed, 'text': text}
                    trust.write(folder, f'{key.name}.json',
                                json.dumps(manifest, indent=1, sort_keys=True).encode())
        except (Untrusted, OSError):
            pass  # the gate is asked again at the next start


class TimingFile:
    """TensorRT's measured kernels beside the engines, of one TensorRT on one GPU."""

    def __init__(self, cache: EngineCache, key: EngineKey) -> None:
        self._cache = cache
        fields = asdict(key)
        machine = json.dumps([fields[name] for name in _MACHINE])
        self._name = f'kernels-{_sha256(machine.encode())[:16]}.timing'

    def read(self) -> bytes:
        """Return what was kept, or nothing if there is none that can be trusted."""
        try:
            with trust.private_folder(self._cache.folder) as folder:
                data = trust.read(folder, self._name, _LARGEST['.timing'])
        except (Untrusted, OSError):
            return b''
        digest, _, kernels = data.partition(b'\n')
        return kernels if digest.decode(errors='replace') == _sha256(kernels) else b''

    def write(self, data: bytes) -> None:
        """Keep what was measured, after a digest; a full disk is not worth a word here."""
        try:
            with trust.private_folder(self._cache.folder) as folder:
                trust.write(folder, self._name, _sha256(data).encode() + b'\n' + data)
        except (Untrusted, OSError):
            pass


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
    for name in housekeeping.names(folder, '.json'):
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
