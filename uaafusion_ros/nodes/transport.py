"""
How images travel from a camera's process to this one, and why some get lost on the way.

What a process has of Fast DDS' shared memory is known from outside: its segment is a file in
/dev/shm, beside it lies an empty one (`_el`) which it holds locked as long as it lives, and
/proc/locks says who holds which. The GUID of a publisher has the host's id and the lower half of
the process id in it (Fast DDS, guid_prefix; bytes 2 to 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import os
from pathlib import Path
import re

SHM = Path('/dev/shm')
LOCKS = Path('/proc/locks')
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
PROFILE = ('start it with FASTDDS_DEFAULT_PROFILES_FILE set to config/fastdds.xml of this package')
FREE_BYTES = 36_000_000  # what a process with the shipped profile takes of /dev/shm
_SEGMENT = re.compile(r'(fast(?:dds|rtps)_[0-9a-f]{16})_el')
_FAST_DDS = (1, 15)      # vendor id in a GUID


@dataclass(frozen=True)
class Sender:
    """
    A publisher of images, as far as it is known from outside.

    segment_bytes: size of its process's shared memory; 0 if it runs on this machine and has none;
    None where that cannot be known (another machine, another DDS, another container).
    """

    node: str
    reliable: bool
    segment_bytes: int | None = None


def segments(shm: Path = SHM, locks: Path = LOCKS) -> dict[int, int]:
    """Return bytes of the largest Fast DDS segment by process id, of those that live and show."""
    try:
        held = re.findall(r'WRITE (\d+) (\S+)', locks.read_text())
        files = list(shm.iterdir())
    except OSError:
        return {}
    owners = {file: int(pid) for pid, file in held}
    found: dict[int, int] = {}
    for file in files:
        match = _SEGMENT.fullmatch(file.name)
        try:
            if match:
                lock = file.stat()
                owner = owners.get(f'{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:'
                                   f'{lock.st_ino}')
                if owner:
                    size = (shm / match[1]).stat().st_size
                    found[owner] = max(size, found.get(owner, 0))
        except OSError:  # it has just ended
            continue
    return found


def segment_of(
    gid: Sequence[int], own: Sequence[int], held: Mapping[int, int]
) -> int | None:
    """
    Return the bytes of the segment of an endpoint's process, as `Sender.segment_bytes`.

    gid, own: GUIDs of the endpoint and of one of this process. held: what `segments` returned.
    """
    here = tuple(gid[:4]) == tuple(own[:4]) and tuple(gid[:2]) == _FAST_DDS
    if not here or not held:
        return None
    half = gid[4] | gid[5] << 8
    return max((size for pid, size in held.items() if pid & 0xFFFF == half), default=0)


def free_shared_memory(shm: Path = SHM) -> int | None:
    """Return the free bytes of /dev/shm, None where there is none."""
    try:
        file_system = os.statvfs(shm)
    except OSError:
        return None
    return file_system.f_bavail * file_system.f_frsize


def without_profile(sender: Sender, image_bytes: int) -> str:
    """Say how a publisher shows that it runs without the profile, '' if it does not show that."""
    if sender.segment_bytes == 0:
        return f'{sender.node} sends without shared memory'
    if sender.segment_bytes is not None and sender.segment_bytes < 2 * image_bytes:
        return (f'{sender.node} has {sender.segment_bytes / 1e6:.1f} MB of shared memory for '
                f'images of {image_bytes / 1e6:.1f} MB')
    return ''


def missing_profile(
    senders: Sequence[Sender], image_bytes: int, free_bytes: int | None
) -> str:
    """Say which publisher runs without the DDS profile and what to do, '' if none shows that."""
    for sender in senders:
        evidence = without_profile(sender, image_bytes)
        if evidence and sender.segment_bytes == 0 and (free_bytes or 0) < FREE_BYTES:
            return f'{evidence}: /dev/shm has no room; {more_shared_memory(free_bytes)}'
        if evidence:
            return f'{evidence}: it runs without the DDS profile; {PROFILE}'
    return ''


def cause_of_loss(
    senders: Sequence[Sender], image_bytes: int, *, rmw: str, depth: int, reliable: bool,
    free_bytes: int | None
) -> str:
    """
    Say the likeliest reason for lost images, and what to do.

    senders: the publishers of the topic. rmw: name of the RMW implementation. depth, reliable: of
    the subscriber. free_bytes: of /dev/shm, None where there is none.
    """
    missing = missing_profile(senders, image_bytes, free_bytes)
    if missing:
        return missing
    if depth < 2:
        return f'qos.input_depth is {depth}: raise it to 5'
    if 'fastrtps' not in rmw:
        return (f'{rmw} does not read the DDS profile; give it larger socket buffers (raise '
                'net.core.rmem_max), or set RMW_IMPLEMENTATION=rmw_fastrtps_cpp everywhere')
    if any(sender.segment_bytes is None for sender in senders):
        return ('the camera is on another machine or in another container, or its process runs '
                f'without the DDS profile; {PROFILE}, raise net.core.rmem_max to 4194304 on both '
                'machines, let containers share /dev/shm (ipc=host)')
    if senders and all(sender.reliable for sender in senders) and not reliable:
        return 'the camera could send lost images again: set qos.input_reliability to reliable'
    return ('the transport has room: the camera or its driver leaves them out (look at its log, '
            'cable and exposure time), or this computer is too busy')


def more_shared_memory(free_bytes: int | None) -> str:
    """Return what to do where /dev/shm is short."""
    if free_bytes is None:
        return 'mount a tmpfs on /dev/shm'
    return ('`fastdds shm clean` removes what ended processes have left; start containers with '
            '--shm-size=1g')
