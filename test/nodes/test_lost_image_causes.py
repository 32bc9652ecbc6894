"""What the transport shows of itself from outside, and the cause of a loss that follows."""

from __future__ import annotations

import fcntl
import os

import pytest

from uaafusion_ros.nodes import transport
from uaafusion_ros.nodes.transport import Sender

VGA = 921_600
OWN = [1, 15, 120, 253, 1, 0, 9, 9]


def cause(*senders, rmw='rmw_fastrtps_cpp', depth=5, reliable=False, free_bytes=10 ** 9):
    return transport.cause_of_loss(
        senders, VGA, rmw=rmw, depth=depth, reliable=reliable, free_bytes=free_bytes)


@pytest.mark.parametrize('sender, given, words', [
    (Sender('/cam', False, 549_408), {},
     '/cam has 0.5 MB of shared memory for images of 0.9 MB: it runs without the DDS profile'),
    (Sender('/cam', False, 0), {}, 'sends without shared memory: it runs without the DDS profile'),
    (Sender('/cam', False, 0), {'free_bytes': 10 ** 6}, 'no room; `fastdds shm clean`'),
    (Sender('/cam', False, 0), {'free_bytes': None}, 'mount a tmpfs on /dev/shm'),
    (Sender('/cam', False, 35_000_000), {'depth': 1}, 'raise it to 5'),
    (Sender('/cam', False), {'rmw': 'rmw_cyclonedds_cpp'}, 'rmw_cyclonedds_cpp does not read'),
    (Sender('/cam', False), {}, 'raise net.core.rmem_max'),
    (Sender('/cam', True, 35_000_000), {}, 'set qos.input_reliability to reliable'),
    (Sender('/cam', True, 35_000_000), {'reliable': True}, 'the camera or its driver'),
])
def test_the_likeliest_cause_is_named_with_its_remedy(sender, given, words):
    assert words in cause(sender, **given)


def test_a_living_process_owns_its_segment_and_a_dead_one_none(tmp_path):
    """As Fast DDS writes them: a file, and a lock file beside it."""
    for name, size in (('fastdds_00000000000000aa', 549_408), ('fastdds_00000000000000bb', 77)):
        (tmp_path / name).write_bytes(b'\0' * size)
        (tmp_path / f'{name}_el').touch()
    (tmp_path / 'fastdds_port7000_el').touch()
    with (tmp_path / 'fastdds_00000000000000aa_el').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = transport.segments(tmp_path)
    assert held == {os.getpid(): 549_408}
    assert transport.segments(tmp_path / 'missing') == {}


@pytest.mark.parametrize('gid, size', [
    ([1, 15, 120, 253, 104, 8, 0, 0], 7), ([1, 15, 120, 253, 105, 8, 0, 0], 0),
    ([1, 15, 99, 253, 104, 8, 0, 0], None), ([2, 3, 120, 253, 104, 8, 0, 0], None)])
def test_a_publisher_is_known_by_its_process(gid, size):
    """The same process, another one of this machine, another machine, another DDS."""
    assert transport.segment_of(gid, OWN, {0x20868: 7}) == size
    assert transport.segment_of(gid, OWN, {}) is None
