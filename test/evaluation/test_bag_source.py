"""Whatever state a bag is in: what is readable is read, and what is wrong is said."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3

import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.typesys import get_typestore
from rosbags.typesys import Stores
from toy_bags import cut
from toy_bags import storage_file
from toy_bags import unindex
from toy_bags import write

from uaafusion_ros.errors import BagError
from uaafusion_ros.evaluation.bag_source import BagSource
from uaafusion_ros.evaluation.bags import BagWriter
from uaafusion_ros.evaluation.bags import frame_of
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import info_size

CAMERAS = ('/cam/rgb/image_raw', '/cam/thermal/image_raw')


def read(source, topics=CAMERAS):
    return list(source.messages(topics))


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_whole_bag_has_no_problem(tmp_path, storage):
    source = BagSource(write(tmp_path / 'drive', storage=storage))
    assert [(t.name, t.count) for t in source.topics] == [
        ('/cam/rgb/camera_info', 6), ('/cam/rgb/image_raw', 6), ('/cam/thermal/image_raw', 6)]
    messages = read(source)
    assert [m.topic for m in messages] == [*CAMERAS] * 6
    assert {m.type_name for m in messages} == {IMAGE}
    assert [m.log_time_ns for m in messages] == sorted(m.log_time_ns for m in messages)
    assert source.problem == '' and source.name == 'drive'
    assert source.identity().storage == storage


def test_the_hash_is_that_of_the_file(bag):
    data = storage_file(bag).read_bytes()
    for path in (bag, storage_file(bag)):
        identity = BagSource(path).identity()
        assert identity.sha256 == hashlib.sha256(data).hexdigest()
        assert identity.bytes == len(data) and identity.name == 'drive'


@pytest.mark.parametrize('zstd', [False, True])
def test_a_truncated_mcap_gives_what_is_readable(tmp_path, zstd):
    path = write(tmp_path / 'drive', count=60, info=False, zstd=zstd)
    whole = read(BagSource(path))
    assert len(whole) == 120
    cut(path, 0.6)
    source = BagSource(path)
    part = read(source)
    assert 10 < len(part) < 110
    assert part == whole[:len(part)]
    assert 'truncated' in source.problem
    assert sum(topic.count for topic in source.topics) == len(part)


def test_an_unindexed_mcap_gives_everything(bag):
    whole = read(BagSource(bag))
    source = BagSource(unindex(bag))
    assert read(source) == whole and 'no index' in source.problem


def test_a_cut_footer_alone_costs_no_message(bag):
    whole = read(BagSource(bag))
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[:-37])
    source = BagSource(bag)
    assert read(source) == whole and 'truncated' in source.problem


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_without_metadata_everything_is_read_and_said(tmp_path, storage):
    path = write(tmp_path / 'drive', storage=storage)
    whole = read(BagSource(path))
    (path / 'metadata.yaml').unlink()
    source = BagSource(path)
    assert read(source) == whole and 'metadata.yaml' in source.problem


def test_metadata_that_contradict_the_files_are_left_aside(bag):
    whole = read(BagSource(bag))
    (bag / 'metadata.yaml').write_text('rosbag2_bagfile_information: {version: 9}\n')
    source = BagSource(bag)
    assert read(source) == whole and 'metadata.yaml' in source.problem


def test_missing_messages_are_counted(tmp_path):
    path = write(tmp_path / 'drive', storage='sqlite3')
    with sqlite3.connect(storage_file(path)) as database:
        database.execute('DELETE FROM messages WHERE id > 15')
    source = BagSource(path)
    assert len(read(source)) == 10
    assert source.problem == 'lacks 2 of the 12 messages it lists'


def test_damage_in_the_middle_ends_the_bag_early(tmp_path):
    path = write(tmp_path / 'drive', count=60, info=False, zstd=True)
    file = storage_file(path)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 2000] = bytes(2000)
    file.write_bytes(data)
    source = BagSource(path)
    assert len(read(source)) < 120
    assert 'damaged in the middle' in source.problem


def test_the_files_of_a_split_bag_follow_one_another(tmp_path):
    path = tmp_path / 'drive'
    path.mkdir()
    for number in (10, 9):
        part = tmp_path / str(number)
        with BagWriter(part) as writer:
            writer.add_camera_info('/i', 1, 1, number, '')
        shutil.copy(storage_file(part), path / f'drive_{number}.mcap')
    assert [m.log_time_ns for m in read(BagSource(path), ['/i'])] == [9, 10]


def _missing(path):
    shutil.rmtree(path)
    return 'there is no bag'


def _no_files(path):
    storage_file(path).unlink()
    return 'holds no .mcap, .db3 or .bag file'


def _empty(path):
    shutil.rmtree(path)
    with BagWriter(path):
        pass
    return '0 messages were read'


def _cut_to_nothing(path):
    cut(path, 0.001)
    return 'truncated.*0 messages were read'


def _no_mcap(path):
    storage_file(path).write_bytes(b'')
    return 'truncated.*0 messages were read'


@pytest.mark.parametrize('spoil', [_missing, _no_files, _empty, _cut_to_nothing, _no_mcap])
def test_a_bag_without_a_message_is_an_error(bag, spoil):
    expected = spoil(bag)
    with pytest.raises(BagError, match=expected):
        BagSource(bag)


def test_a_sqlite_file_that_lost_its_end_is_told(tmp_path):
    """SQLite does not miss what lies behind the last row."""
    bag = write(tmp_path / 'bag', storage='sqlite3')
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[:-100])
    assert 'shorter than its header says' in BagSource(bag).problem


def test_a_truncated_sqlite_file_is_an_error(tmp_path):
    path = cut(write(tmp_path / 'drive', storage='sqlite3'), 0.3)
    with pytest.raises(BagError, match='drive cannot be read.*0 messages were read'):
        BagSource(path)


def test_another_file_is_no_bag(tmp_path):
    (tmp_path / 'a.txt').write_text('')
    with pytest.raises(BagError, match='is no bag'):
        BagSource(tmp_path / 'a.txt')


def _with_number(types, message, number):
    """Return a message of ROS 2 with the numbered header of ROS 1."""
    stamp = message.header.stamp
    header = types.types['std_msgs/msg/Header'](
        seq=number, stamp=types.types['builtin_interfaces/msg/Time'](
            sec=stamp.sec, nanosec=stamp.nanosec), frame_id=message.header.frame_id)
    kind = types.types[message.__msgtype__]
    names = [field for field in kind.__dataclass_fields__ if field != '__msgtype__']
    return kind(**{name: header if name == 'header' else getattr(
        message, name, None if not name.isupper() else getattr(message, name.lower(), None))
        for name in names})


@pytest.fixture
def ros1(tmp_path, bag):
    """The same bag as ROS 1 would have recorded it."""
    types = get_typestore(Stores.ROS1_NOETIC)
    source = BagSource(bag)
    path = tmp_path / 'old.bag'
    with Ros1Writer(path) as writer:
        made = {topic.name: writer.add_connection(topic.name, topic.type_name, typestore=types)
                for topic in source.topics}
        for message in source.messages(set(made)):
            old = types.serialize_ros1(_with_number(types, get_typestore(
                Stores.ROS2_JAZZY).deserialize_cdr(message.data, message.type_name), 7),
                message.type_name)
            writer.write(made[message.topic], message.log_time_ns, old)
    return path


def test_a_ros1_bag_holds_the_same_messages(bag, ros1):
    new, old = BagSource(bag), BagSource(ros1)
    assert (old.name, old.problem, old.identity().storage) == ('old', '', 'rosbag1')
    assert [(t.name, t.type_name, t.count) for t in old.topics] == [
        (t.name, t.type_name, t.count) for t in new.topics]
    names = {topic.name for topic in new.topics}
    for one, other in zip(new.messages(names), old.messages(names), strict=True):
        assert (one.topic, one.log_time_ns) == (other.topic, other.log_time_ns)
        if one.type_name == IMAGE:
            first, second = frame_of(one), frame_of(other)
            assert np.array_equal(first.array, second.array)
            assert (first.stamp_ns, first.frame_id) == (second.stamp_ns, second.frame_id)
        else:
            assert info_size(one.data) == info_size(other.data)


def test_a_cut_ros1_bag_is_refused_in_a_sentence(ros1):
    ros1.write_bytes(ros1.read_bytes()[:-2000])
    with pytest.raises(BagError, match='old.bag cannot be read'):
        BagSource(ros1)
