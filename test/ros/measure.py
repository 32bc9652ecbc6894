"""What a process holds, read from /proc."""

from __future__ import annotations

from pathlib import Path


def threads(pid: int) -> int:
    """Return the number of threads."""
    return len(list(Path(f'/proc/{pid}/task').iterdir()))


def descriptors(pid: int) -> int:
    """Return the number of open file descriptors."""
    return len(list(Path(f'/proc/{pid}/fd').iterdir()))


def private_mb(pid: int) -> float:
    """Return the resident memory that is the process' own, in MiB: not shared, not a file's."""
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('RssAnon:'):
            return int(line.split()[1]) / 1024
    raise ValueError(f'/proc/{pid}/status does not tell RssAnon')


def catches(pid: int, number: int) -> bool:
    """Return whether the process has a handler of its own for this signal."""
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('SigCgt:'):
            return bool(int(line.split()[1], 16) >> number - 1 & 1)
    raise ValueError(f'/proc/{pid}/status does not tell SigCgt')
