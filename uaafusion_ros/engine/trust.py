"""
Files that only this user could have written.

A serialised engine is native code: whoever can write the file runs as the node. So nothing is
read unless folder, parents and file show that nobody else could have written it, and every check
is made on the open file, never on a name that may change between the check and the reading.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
import fcntl
import os
from pathlib import Path
import stat
import time

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
PARTIAL = '.partial'


class Untrusted(Exception):
    """A file or folder that somebody else can write; the text says which, why and what to do."""


@contextmanager
def private_folder(path: Path) -> Iterator[int]:
    """
    Open a folder of mode 0700, made where missing, and give its file descriptor.

    Every folder above must belong to root or this user and be writable by nobody else, unless it
    is sticky, like /tmp. Raises Untrusted, or OSError if it cannot be made.
    """
    path = Path(os.path.abspath(path))
    missing = [path]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    _check_parents(missing[-1].parent)
    for step in reversed(missing):
        with suppress(FileExistsError):
            step.mkdir(mode=0o700)
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink() or not path.is_dir():
            raise Untrusted(f'{path} is a link or no folder; remove it') from error
        raise
    try:
        state = os.fstat(folder)
        _check_owner(path, state)
        if state.st_mode & _OTHERS_WRITE:
            raise Untrusted(f'{path} can be written by other users; what lies in it may not be '
                            'ours: remove it')
        if stat.S_IMODE(state.st_mode) != 0o700:
            os.fchmod(folder, 0o700)
        yield folder
    finally:
        os.close(folder)


def read(folder: int, name: str, limit: int) -> bytes:
    """
    Read a file of at most `limit` bytes in an open private folder.

    Raises FileNotFoundError, or Untrusted for a link, another owner, a file that others can
    write or that has a second name, or one above the limit.
    """
    try:
        # Without O_NONBLOCK a pipe put there would hang the reader.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
                       dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Untrusted(f'{name} cannot be opened as a plain file ({error.strerror})') from error
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode):
            raise Untrusted(f'{name} is no plain file')
        _check_owner(name, state)
        if state.st_mode & _OTHERS_WRITE:
            raise Untrusted(f'{name} can be written by other users')
        if state.st_nlink != 1:
            raise Untrusted(f'{name} has a second name, by which it could be altered')
        if state.st_size > limit:
            raise Untrusted(f'{name} has {state.st_size} bytes, more than any file of ours')
        with os.fdopen(file, 'rb', closefd=False) as opened:
            return opened.read(limit)
    finally:
        os.close(file)


def write(folder: int, name: str, data: bytes) -> None:
    """
    Write a file of mode 0600 in an open private folder so that it exists whole or not at all.

    Raises OSError, after removing what was written, when the disk is full.
    """
    partial = f'{name}.{os.getpid()}{PARTIAL}'
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                   mode=0o600, dir_fd=folder)
    try:
        with os.fdopen(file, 'wb') as opened:
            opened.write(data)
            opened.flush()
            os.fsync(file)
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
        raise
    os.fsync(folder)


def names(folder: int, ending: str = '') -> list[str]:
    """Return the names of a folder's files with an ending, sorted."""
    return sorted(name for name in os.listdir(folder) if name.endswith(ending))


def remove(folder: int, name: str) -> None:
    """Remove a file if that is possible."""
    # What cannot be removed is not trusted for that: its digest decides.
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)


@contextmanager
def locked(folder: int, waiting: Callable[[], None]) -> Iterator[None]:
    """
    Hold the lock of an open private folder, which the kernel frees when a process dies.

    waiting: called ten times a second while another process holds it; may raise. Raises OSError
    where the file system knows no locks.
    """
    lock = os.open('lock', os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode=0o600,
                   dir_fd=folder)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(0.1)
        yield
    finally:
        os.close(lock)


def _check_parents(folder: Path) -> None:
    # Both the way that was named and the one that it leads to: a link above is as good as a name.
    for way in {folder, folder.resolve()}:
        for path in (way, *way.parents):
            state = path.lstat()
            if stat.S_ISLNK(state.st_mode):
                writable = False  # a link's own mode says nothing; its folder is checked next
            else:
                writable = bool(state.st_mode & _OTHERS_WRITE) and not state.st_mode & stat.S_ISVTX
            if state.st_uid not in (0, os.geteuid()):
                raise Untrusted(f'{path} belongs to user {state.st_uid}; name a cache folder '
                                'below your own home')
            if writable:
                raise Untrusted(f'{path} can be written by other users, who could exchange what '
                                f'lies below: `chmod go-w {path}`, or name another cache folder')


def _check_owner(name: object, state: os.stat_result) -> None:
    if state.st_uid != os.geteuid():
        raise Untrusted(f'{name} belongs to user {state.st_uid}, not to {os.geteuid()}')
