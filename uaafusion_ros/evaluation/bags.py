"""rosbag2 bags (MCAP, sqlite3) in and out, without a ROS distribution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import Literal

import numpy as np
from rosbags.interfaces import Qos
from rosbags.interfaces import QosDurability
from rosbags.interfaces import QosHistory
from rosbags.interfaces import QosLiveliness
from rosbags.interfaces import QosReliability
from rosbags.interfaces import QosTime
from rosbags.rosbag2 import CompressionFormat
from rosbags.rosbag2 import CompressionMode
from rosbags.rosbag2 import Reader
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer
from rosbags.rosbag2 import WriterError
from rosbags.typesys import get_typestore
from rosbags.typesys import Stores

from uaafusion_ros.errors import BagError
from uaafusion_ros.errors import EncodingError
from uaafusion_ros.evaluation.calibration import Calibration
from uaafusion_ros.frames import Frame
from uaafusion_ros.imaging.compressed import decode
from uaafusion_ros.imaging.compressed import inspect
from uaafusion_ros.imaging.encodings import encode
from uaafusion_ros.imaging.encodings import lookup
from uaafusion_ros.imaging.encodings import MAX_PIXELS
from uaafusion_ros.imaging.encodings import view

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
TF_MESSAGE = 'tf2_msgs/msg/TFMessage'

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}

# The messages used here have the same definition from Jazzy on.
_TYPES = get_typestore(Stores.ROS2_JAZZY)

_UNLIMITED = QosTime(2147483647, 4294967295)


def _qos(reliability: QosReliability, depth: int) -> Qos:
    return Qos(
        QosHistory.KEEP_LAST, depth, reliability, QosDurability.VOLATILE,
        _UNLIMITED, _UNLIMITED, QosLiveliness.AUTOMATIC, _UNLIMITED, False)


SENSOR_QOS = _qos(QosReliability.BEST_EFFORT, 5)
RELIABLE_QOS = _qos(QosReliability.RELIABLE, 10)


@dataclass(frozen=True)
class RawMessage:
    """One serialised message (CDR) and when it was logged, in nanoseconds."""

    topic: str
    type_name: str
    log_time_ns: int
    data: bytes


@dataclass(frozen=True)
class Topic:
    """What a bag says about one of its topics; `count` is the number of its messages."""

    name: str
    type_name: str
    reliable: bool
    count: int = 0


class BagWriter:
    """
    Write a rosbag2 directory (version 9) as a context manager.

    Left by an exception, the bag stays without its index. `qos` is what every topic of the bag
    is said to have been offered with, `storage` a key of STORAGES; `zstd` compresses the chunks
    of an MCAP file. Raises BagError if `path` exists.
    """

    def __init__(self, path: Path, qos: Qos = SENSOR_QOS, *, storage: str = 'mcap',
                 zstd: bool = False):
        self._path = Path(path)
        self._qos = qos
        self._connections: dict[str, Any] = {}
        try:
            self._writer = Writer(
                self._path, version=Writer.VERSION_LATEST, storage_plugin=STORAGES[storage])
        except WriterError as error:
            raise BagError(
                f'{self._path} exists already; name another bag or remove it') from error
        if zstd:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)

    def __enter__(self) -> BagWriter:
        try:
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(f'cannot create the bag {self._path}: {error}') from error
        return self

    def __exit__(self, *exception) -> None:
        self._writer.__exit__(*exception)

    def add_image(self, topic: str, array: np.ndarray, encoding: str, stamp_ns: int,
                  frame_id: str, log_time_ns: int | None = None) -> None:
        """
        Add one image, laid out as `imaging.encodings.encode` asks for its encoding.

        The log time is the stamp unless given. Raises EncodingError if array and encoding
        disagree.
        """
        pixels, step = encode(array, encoding)
        message = _TYPES.types[IMAGE](
            header=_header(stamp_ns, frame_id), height=array.shape[0], width=array.shape[1],
            encoding=encoding, is_bigendian=0, step=step,
            data=pixels.reshape(-1).view(np.uint8))
        self._add(topic, IMAGE, message, stamp_ns if log_time_ns is None else log_time_ns)

    def add_compressed(self, topic: str, data: bytes, form: str, stamp_ns: int,
                       frame_id: str) -> None:
        """Add a file's bytes as sensor_msgs/CompressedImage; `form` is its field `format`."""
        message = _TYPES.types[COMPRESSED_IMAGE](
            header=_header(stamp_ns, frame_id), format=form,
            data=np.frombuffer(data, np.uint8))
        self._add(topic, COMPRESSED_IMAGE, message, stamp_ns)

    def add_camera_info(self, topic: str, width: int, height: int, stamp_ns: int,
                        frame_id: str, calibration: Calibration = Calibration()) -> None:
        """Add a camera's calibration; by default that of an uncalibrated one (K = 0: REP 104)."""
        message = _TYPES.types[CAMERA_INFO](
            header=_header(stamp_ns, frame_id), height=height, width=width,
            distortion_model=calibration.distortion_model, d=np.array(calibration.d, float),
            k=np.array(calibration.k, float), r=np.array(calibration.r, float),
            p=np.array(calibration.p, float), binning_x=0, binning_y=0,
            roi=_TYPES.types['sensor_msgs/msg/RegionOfInterest'](
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False))
        self._add(topic, CAMERA_INFO, message, stamp_ns)

    def add_info_again(self, topic: str, data: bytes, stamp_ns: int, frame_id: str) -> None:
        """Add a serialised CameraInfo under another header."""
        message: Any = _TYPES.deserialize_cdr(data, CAMERA_INFO)
        self._add(topic, CAMERA_INFO, replace(message, header=_header(stamp_ns, frame_id)),
                  stamp_ns)

    def add_serialized(self, topic: str, type_name: str, log_time_ns: int, data: bytes) -> None:
        """Add a message as it came over the wire (CDR with its four-byte header)."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, type_name, typestore=_TYPES, offered_qos_profiles=[self._qos])
        self._writer.write(self._connections[topic], log_time_ns, data)

    def _add(self, topic, type_name, message, log_time_ns):
        self.add_serialized(
            topic, type_name, log_time_ns, bytes(_TYPES.serialize_cdr(message, type_name)))


def list_topics(path: Path) -> list[Topic]:
    """List a bag's topics in the order of their names. Raises BagError like read_messages."""
    with _opened(path) as reader:
        return [as_topic(c) for c in sorted(reader.connections, key=lambda c: c.topic)]


def as_topic(connection) -> Topic:
    """Turn a connection of rosbags into a topic."""
    reliable = any(
        qos.reliability == QosReliability.RELIABLE
        for qos in getattr(connection.ext, 'offered_qos_profiles', ()))  # ROS 1 has none
    return Topic(connection.topic, connection.msgtype, reliable, connection.msgcount)


def read_messages(path: Path) -> Iterator[RawMessage]:
    """Yield a bag's messages by log time. Raises BagError if missing, damaged or empty."""
    with _opened(path) as reader:
        for connection, log_time_ns, data in reader.messages():
            yield RawMessage(connection.topic, connection.msgtype, log_time_ns, bytes(data))


def read_images(path: Path) -> Iterator[tuple[str, int, Frame]]:
    """
    Yield (topic, log time in ns, frame) of every Image and CompressedImage, by log time.

    Frames are as `frame_of` makes them. Raises BagError if the bag is missing, damaged or holds
    no image, EncodingError if an image contradicts itself.
    """
    seen = set()
    found = False
    for message in read_messages(path):
        seen.add(message.topic)
        if message.type_name not in (IMAGE, COMPRESSED_IMAGE):
            continue
        found = True
        yield message.topic, message.log_time_ns, frame_of(message)
    if not found:
        raise BagError(f'the bag {path} holds no {IMAGE}; its topics: {", ".join(sorted(seen))}')


def frame_of(message: RawMessage, max_pixels: int = MAX_PIXELS, unpack: bool = True) -> Frame:
    """
    Turn a serialised Image or CompressedImage (JPEG, PNG) into a frame.

    The array of an Image is a view of the message as `imaging.encodings.view` makes it; a
    CompressedImage is decoded or, without `unpack`, checked and kept as the 1xN bytes of its
    file. Raises EncodingError if the image contradicts itself, cannot be decoded or has more
    pixels.
    """
    try:
        image: Any = _TYPES.deserialize_cdr(message.data, message.type_name)
    except Exception as error:  # rosbags raises what its generated parser stumbles over
        raise EncodingError(
            f'a message of {message.topic} is no {message.type_name} ({type(error).__name__}); '
            'record it again') from error
    stamp = image.header.stamp
    stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    if message.type_name == COMPRESSED_IMAGE:
        packed = inspect(image.data, image.format, max_pixels)
        array, encoding = image.data[np.newaxis], packed.encoding
        if unpack:
            array, encoding = decode(image.data, packed.encoding)
    else:
        array = view(
            image.data, encoding=image.encoding, width=image.width, height=image.height,
            step=image.step, is_bigendian=bool(image.is_bigendian), max_pixels=max_pixels)
        encoding = lookup(image.encoding).name
    return Frame(array, stamp_ns, image.header.frame_id, encoding)


def camera_info_of(data: bytes) -> Any:
    """Return a serialised CameraInfo as an object with the message's fields."""
    return _TYPES.deserialize_cdr(data, CAMERA_INFO)


def transforms_of(data: bytes) -> list[Any]:
    """Return the transforms of a serialised TFMessage, as objects with the messages' fields."""
    message: Any = _TYPES.deserialize_cdr(data, TF_MESSAGE)
    return message.transforms


def info_size(data: bytes) -> tuple[int, int]:
    """Read (height, width) of a serialised CameraInfo."""
    info = camera_info_of(data)
    return info.height, info.width


def image_stamp_ns(data: bytes) -> int:
    """Read the stamp of a serialised message that begins with a std_msgs/Header."""
    order: Literal['little', 'big'] = 'little' if data[1] & 1 else 'big'
    seconds = int.from_bytes(data[4:8], order, signed=True)
    return seconds * 1_000_000_000 + int.from_bytes(data[8:12], order)


def _header(stamp_ns: int, frame_id: str):
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return _TYPES.types['std_msgs/msg/Header'](
        stamp=_TYPES.types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds),
        frame_id=frame_id)


@contextmanager
def _opened(path: Path):
    path = Path(path)
    if not path.exists():
        raise BagError(f'there is no bag {path}; give a rosbag2 directory or an .mcap/.db3 file')
    # rosbags answers damage with whatever its parser stumbles over (struct.error, TypeError,
    # AssertionError, ...), so any exception of it means the same thing here.
    reader = None
    try:
        reader = Reader(path)
        reader.open()
        count = reader.message_count
    except Exception as error:
        raise _damaged(path, error) from error
    try:
        if not count:
            raise BagError(f'the bag {path} is empty; record it again')
        yield reader
    except (BagError, GeneratorExit):
        raise
    except Exception as error:
        raise _damaged(path, error) from error
    finally:
        reader.close()


def _damaged(path: Path, error: Exception) -> BagError:
    what = str(error) or type(error).__name__
    return BagError(
        f'the bag {path} cannot be read, it may be truncated ({what}); '
        'copy it again or run `ros2 bag reindex`')
