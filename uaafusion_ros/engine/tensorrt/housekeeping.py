"""The engine folder's order: one builder at a time, no remains of dead processes, no heap."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
import fcntl
import os
import time

from uaafusion_ros.engine.tensorrt import trust
from uaafusion_ros.engine.tensorrt.builder import BuildCancelled

# As many sizes, precisions and cameras as one robot has; older entries go.
KEPT = 12
LOCK = 'lock'
Say = Callable[[str], None]


@contextmanager
def locked(folder: int, say: Say, go_on: Callable[[], bool]) -> Iterator[None]:
    """
    Hold the lock of an open folder, which the kernel frees when a process dies.

    say: told once that another process holds it. go_on: asked while waiting; False raises
    BuildCancelled. Raises OSError where the file system knows no locks.
    """
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode=0o600,
                   dir_fd=folder)
    try:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say('another process is building an engine; waiting for it')
                    told = True
                if not go_on():
                    raise BuildCancelled('waiting for another process that builds an engine was '
                                         'stopped on request') from None
                time.sleep(0.1)
        yield
    finally:
        os.close(lock)


def sweep(folder: int) -> None:
    """Remove partial files and engines without a manifest; only for the holder of the lock."""
    manifests = {name[:-len('.json')] for name in names(folder, '.json')}
    for name in names(folder, ''):
        lonely = name.endswith('.engine') and name[:-len('.engine')] not in manifests
        if name.endswith(trust.PARTIAL) or lonely:
            remove(folder, name)


def prune(folder: int) -> None:
    """Remove all but the newest KEPT entries; only for the holder of the lock."""
    entries = sorted(names(folder, '.json'), reverse=True,
                     key=lambda name: os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime)
    for name in entries[KEPT:]:
        for ending in ('.json', '.engine'):
            remove(folder, name[:-len('.json')] + ending)


def names(folder: int, ending: str) -> list[str]:
    """Return the names of a folder's files with an ending, sorted."""
    return sorted(name for name in os.listdir(folder) if name.endswith(ending))


def remove(folder: int, name: str) -> None:
    """Remove a file if that is possible."""
    # What cannot be removed is not trusted for that: its digest decides.
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)
