"""A file cut anywhere gives a beginning of its messages, and never an exception."""

from __future__ import annotations

import pytest
from toy_bags import storage_file
from toy_bags import unindex
from toy_bags import write

from uaafusion_ros.evaluation import mcap_stream


def test_a_whole_file_has_no_fault_and_gives_all(bag):
    file = storage_file(bag)
    assert mcap_stream.fault(file) == ''
    assert len(list(mcap_stream.stream(file))) == 18


def test_faults_are_told_apart(bag):
    assert mcap_stream.fault(storage_file(unindex(bag))) == 'has no index'
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[:-1])
    assert 'truncated' in mcap_stream.fault(file)


@pytest.mark.parametrize('zstd', [False, True])
def test_every_cut_gives_a_beginning(tmp_path, zstd):
    file = storage_file(write(tmp_path / 'drive', count=3, zstd=zstd))
    data = file.read_bytes()
    whole = list(mcap_stream.stream(file))
    found = []
    for size in range(0, len(data), max(1, len(data) // 150)):
        file.write_bytes(data[:size])
        part = list(mcap_stream.stream(file))
        assert part == whole[:len(part)]
        found.append(len(part))
    assert found == sorted(found)
    # Uncompressed chunks are read message by message, compressed ones as a whole.
    assert set(found) == ({0, 9} if zstd else set(range(10)))


def test_damage_anywhere_is_survived(bag):
    file = storage_file(bag)
    data = file.read_bytes()
    for place in range(0, len(data), len(data) // 100):
        file.write_bytes(data[:place] + b'\xff' * 12 + data[place + 12:])
        assert len(list(mcap_stream.stream(file))) <= 18
