"""
A bag as it was left on disk, whole or damaged: its topics, messages, hash and what is wrong.

rosbag2 in MCAP and sqlite3, and ROS 1, whose messages are given as ROS 2 has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import hashlib
from pathlib import Path
import re
import shutil
import tempfile

from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_typestore
from rosbags.typesys import Stores

from uaafusion_ros.errors import BagError
from uaafusion_ros.evaluation import mcap_stream
from uaafusion_ros.evaluation.bags import as_topic
from uaafusion_ros.evaluation.bags import CAMERA_INFO
from uaafusion_ros.evaluation.bags import COMPRESSED_IMAGE
from uaafusion_ros.evaluation.bags import IMAGE
from uaafusion_ros.evaluation.bags import RawMessage
from uaafusion_ros.evaluation.bags import Topic

_ROS1 = 'rosbag1'
_SUFFIXES = {'.mcap': 'mcap', '.db3': 'sqlite3', '.bag': _ROS1}
_TYPES = get_typestore(Stores.ROS2_JAZZY)
_BLOCK = 1 << 20
_ZSTD = b'\x28\xb5\x2f\xfd'  # RFC 8878; serialised messages begin with 00


@dataclass(frozen=True)
class Identity:
    """
    Which bag it is: `name` (no folder), `storage` (mcap, sqlite3 or rosbag1), size in `bytes`.

    `sha256` is that of the storage file; of several files, that of their bytes in a row.
    """

    name: str
    sha256: str
    bytes: int
    storage: str


class BagSource:
    """
    A rosbag2 folder or file (.mcap, .db3) or a ROS 1 bag (.bag), as far as it can be read.

    Storage files may be compressed (.mcap.zstd, .db3.zstd). `topics` are sorted by name, their
    counts those of the readable messages. `problem` is empty as long as the bag is whole;
    otherwise what is wrong with it, without a subject. It may turn out only while reading. Raises
    BagError where nothing can be read at all.
    """

    def __init__(self, path: Path) -> None:
        """Open the bag once, to see what it holds."""
        self.path = Path(path)
        if self.path.name == 'metadata.yaml':
            self.path = self.path.parent
        if not self.path.exists():
            raise BagError(
                f'there is no bag {path}; give a rosbag2 folder or an .mcap, .db3 '
                '(ROS 2) or .bag file (ROS 1)')
        self._files = _storage_files(self.path)
        self._unpacked: dict[Path, Path] = {}
        self._folder: tempfile.TemporaryDirectory | None = None
        self._streamed = False
        self._listed = self.path.is_dir() and (self.path / 'metadata.yaml').is_file()
        self.problem = self._fault()
        self.topics = self._find_topics()
        if not sum(topic.count for topic in self.topics):
            what = f' and {self.problem}' if self.problem else ''
            raise BagError(f'the bag {path} holds no readable message{what}: 0 messages were '
                           'read; record it again')

    @property
    def name(self) -> str:
        """The bag's name without its folder and suffixes."""
        path = self.path.resolve()
        return path.name.removesuffix('.zstd').rpartition('.')[0] if path.is_file() else path.name

    def identity(self) -> Identity:
        """Read all of the bag's files once for their hash."""
        digest, size = hashlib.sha256(), 0
        for path in self._files:
            with path.open('rb') as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
        return Identity(self.name, digest.hexdigest(), size, _storage(self._files[0]))

    def messages(self, topics: Collection[str]) -> Iterator[RawMessage]:
        """Yield the messages of some topics, by log time; a damaged bag ends early instead."""
        if self._streamed:
            yield from self._stream(topics)
            return
        for path in self._openable():
            try:
                with _opened(path) as reader:
                    wanted = [c for c in reader.connections if c.topic in topics]
                    expected, found = sum(c.msgcount for c in wanted), 0
                    for connection, log_time_ns, data in reader.messages(wanted) if wanted else ():
                        found += 1
                        yield RawMessage(
                            connection.topic, connection.msgtype, log_time_ns,
                            _as_ros2(data, connection.msgtype) if _is_ros1(path)
                            else _plain(bytes(data)))
                    if found < expected:
                        self.problem = self.problem or (
                            f'lacks {expected - found} of the {expected} messages it lists')
            except (GeneratorExit, BagError):
                raise
            except Exception as error:  # rosbags raises what its parsers stumble over
                self.problem = self.problem or f'is damaged in the middle ({_said(error)})'

    def _fault(self) -> str:
        """Look at the files' ends; a file that its writer never closed has to be streamed."""
        faults = [
            found for path in self._files if path.suffix == '.mcap'
            for found in [mcap_stream.fault(path)] if found]
        self._streamed = bool(faults)
        if faults:
            return faults[0]
        for path in self._files:
            if path.suffix == '.db3' and _is_short(path):
                return f'is truncated ({path.name} is shorter than its header says)'
        folder = self.path if self.path.is_dir() else self.path.parent
        needs_metadata = _storage(self._files[0]) != _ROS1 and (
            self.path.is_dir() or _storage(self.path) == 'sqlite3')
        if needs_metadata and not (folder / 'metadata.yaml').is_file():
            return 'has no metadata.yaml, so whether it was closed cannot be told'
        return ''

    def _openable(self) -> list[Path]:
        """Return what rosbags opens: the folder with its metadata, or each file by itself."""
        return [self.path] if self._listed else [self._unpack(path) for path in self._files]

    def _unpack(self, path: Path) -> Path:
        """Return a storage file that rosbags opens: of a compressed one, a temporary copy."""
        if path.suffix != '.zstd':
            return path
        if path not in self._unpacked:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix='bag-')
            copy = Path(self._folder.name) / path.stem
            with _zstd().open(path, 'rb') as packed, copy.open('wb') as plain:
                shutil.copyfileobj(packed, plain, _BLOCK)
            self._unpacked[path] = copy
        return self._unpacked[path]

    def _find_topics(self) -> tuple[Topic, ...]:
        counts: Counter[tuple[str, str, bool]] = Counter()
        try:
            if self._streamed:
                for message in self._stream(None):
                    counts[message.topic, message.type_name, False] += 1
            else:
                for path in self._openable():
                    with _opened(path) as reader:
                        for topic in map(as_topic, reader.connections):
                            counts[topic.name, topic.type_name, topic.reliable] += topic.count
        except Exception as error:  # as above
            if self._listed:
                self._listed = False
                self.problem = f'does not match its metadata.yaml ({_said(error)})'
                return self._find_topics()
            raise BagError(
                f'the bag {self.path} cannot be read, it may be truncated ({_said(error)}): '
                '0 messages were read; copy it again or run `ros2 bag reindex`') from error
        return tuple(Topic(*key, count) for key, count in sorted(counts.items()))

    def _stream(self, topics: Collection[str] | None) -> Iterator[RawMessage]:
        for path in self._files:
            for message in mcap_stream.stream(path):
                if topics is None or message.topic in topics:
                    yield message


def _is_short(path: Path) -> bool:
    """Return whether a database is shorter than its header says (sqlite.org/fileformat2.html)."""
    with path.open('rb') as file:
        header, size = file.read(100), file.seek(0, 2)
    page, pages = int.from_bytes(header[16:18], 'big'), int.from_bytes(header[28:32], 'big')
    # The number of pages holds only where the writer knew of it: 1 stands for 65536 bytes a page.
    known = header[24:28] == header[92:96]
    return known and size < pages * (65536 if page == 1 else page)


def _storage_files(path: Path) -> list[Path]:
    if path.is_file():
        if _storage(path):
            return [path]
        raise BagError(
            f'{path} is no bag; give a rosbag2 folder or an .mcap, .db3 '
            '(ROS 2) or .bag file (ROS 1)')
    files = sorted((item for item in path.iterdir() if _storage(item)), key=_number)
    if not files:
        raise BagError(f'the folder {path} is no bag: it holds no .mcap, .db3 or .bag file')
    return files


def _storage(path: Path) -> str:
    """Return the storage of a file, compressed by zstd or not; '' if it has none."""
    name = Path(path.stem) if path.suffix == '.zstd' else path
    return _SUFFIXES.get(name.suffix, '')


def _number(path: Path) -> tuple[int, str]:
    """Sort bag_10.mcap behind bag_9.mcap."""
    found = re.search(r'_(\d+)\.', path.name)
    return (int(found[1]) if found else -1, path.name)


def _is_ros1(path: Path) -> bool:
    return _storage(path) == _ROS1 and path.is_file()  # a folder may have any name


def _as_ros2(data: bytes, type_name: str) -> bytes:
    """Return a camera's message of ROS 1 serialised as ROS 2 does; of another type, nothing."""
    if type_name not in (IMAGE, COMPRESSED_IMAGE, CAMERA_INFO):
        return b''
    return bytes(_TYPES.ros1_to_cdr(data, type_name))


def _plain(data: bytes) -> bytes:
    """Return a message of a bag whose messages are compressed, which only its folder says."""
    return _zstd().decompress(data) if data[:4] == _ZSTD else data


def _zstd():
    try:
        from compression import zstd  # from Python 3.14 on
    except ImportError:
        from backports import zstd  # rosbags brings it
    return zstd


@contextmanager
def _opened(path: Path):
    reader = Ros1Reader(path) if _is_ros1(path) else Reader(path)
    reader.open()
    try:
        yield reader
    finally:
        reader.close()


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
