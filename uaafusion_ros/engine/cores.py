"""How many cores a container leaves to this process, which the runtimes do not ask."""

from __future__ import annotations

from contextlib import suppress
import math
import os
from pathlib import Path

ROOT = Path('/sys/fs/cgroup')
OWN = Path('/proc/self/cgroup')


def core_limit() -> int:
    """
    Return the cores that the process's control groups leave it, begun ones counted whole.

    0 where that is no fewer than its affinity names: runtimes know that one, and which cores are
    faster or shared. More threads than the limit would be stopped together, in the midst of a
    pair, until the next period. Version 2 of control groups (Linux kernel, cgroup-v2, cpu.max).
    """
    path, limits = '', [float(len(os.sched_getaffinity(0)))]
    with suppress(OSError):
        path = next((line[3:] for line in OWN.read_text().splitlines()
                     if line.startswith('0::')), '')
    # Inside a container the path may be the host's, of which only the root is to be seen.
    group = ROOT / path.lstrip('/')
    for folder in (group, *group.parents):
        with suppress(OSError, ValueError):  # also the group of all, which has no limit
            quota, period = (folder / 'cpu.max').read_text().split()
            limits.append(int(quota) / int(period))
        if folder == ROOT:
            break
    return math.ceil(min(limits)) if min(limits) < limits[0] else 0
