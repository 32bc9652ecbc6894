"""
Image messages read where they lie: their fields from the bytes that the middleware hands over.

rclpy's own conversion copies all pixels once more. The layout is CDR (OMG DDS-XTypes 1.3, 7.4) of
sensor_msgs/Image and sensor_msgs/CompressedImage; as no field is wider than four bytes, its first
and its second version are the same.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from uaafusion_ros.errors import EncodingError

_NS_PER_S = 1_000_000_000
_START = 4  # of the fields; alignment counts from here
_STAMP = {'<': struct.Struct('<iI'), '>': struct.Struct('>iI')}
_WORD = {'<': struct.Struct('<I'), '>': struct.Struct('>I')}
# The representation identifiers of CDR and CDR2 without parameters, and their byte order.
_ORDERS = {b'\0\0': '>', b'\0\1': '<', b'\0\6': '>', b'\0\7': '<'}


class ImageFields(NamedTuple):
    """
    The fields of a sensor_msgs/Image; `data` is a view of the message's bytes from `offset` on.

    `parts` are the ranges of bytes that hold all but stamp and pixels, without the bytes between
    fields, which mean nothing and may be anything.
    """

    stamp_ns: int
    frame_id: str
    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int
    data: memoryview
    offset: int
    parts: tuple[slice, ...]


class CompressedFields(NamedTuple):
    """The fields of a sensor_msgs/CompressedImage; `data` is a view of the message's bytes."""

    stamp_ns: int
    frame_id: str
    format: str
    data: memoryview


def read_image(message: bytes) -> ImageFields:
    """Return the fields of a serialized sensor_msgs/Image; raises EncodingError."""
    reader = _Reader(message)
    stamp_ns = reader.stamp()
    after_stamp = reader.at
    frame_id = reader.text()
    after_frame_id = reader.at
    height = reader.word()
    before_height = reader.at - 4
    width = reader.word()
    encoding = reader.text()
    is_bigendian = bool(reader.byte())  # lies right behind the text
    after_byte = reader.at
    step = reader.word()
    before_step = reader.at - 4
    data = reader.rest()
    parts = (slice(0, 2), slice(after_stamp, after_frame_id), slice(before_height, after_byte),
             slice(before_step, reader.at))
    return ImageFields(
        stamp_ns, frame_id, height, width, encoding, is_bigendian, step, data, reader.at, parts)


def read_compressed(message: bytes) -> CompressedFields:
    """Return the fields of a serialized sensor_msgs/CompressedImage; raises EncodingError."""
    reader = _Reader(message)
    return CompressedFields(reader.stamp(), reader.text(), reader.text(), reader.rest())


def read_stamp(message: bytes) -> int:
    """Return the stamp in nanoseconds of a message like one that has been read before."""
    sec, nanosec = _STAMP[_ORDERS[message[:2]]].unpack_from(message, _START)
    return sec * _NS_PER_S + nanosec


class _Reader:
    """Reads one field after the other; `at` is where the last one ended."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        order = _ORDERS.get(message[:2])
        if order is None:
            raise EncodingError(
                f'the message is serialized in representation 0x{message[:2].hex()}; accepted is '
                'CDR, as the RMW implementations of ROS 2 write it; use one of these on both '
                'sides')
        self._order = order
        self.at = _START

    def stamp(self) -> int:
        sec, nanosec = self._unpack(_STAMP[self._order])
        return sec * _NS_PER_S + nanosec

    def word(self) -> int:
        return self._unpack(_WORD[self._order])[0]

    def byte(self) -> int:
        return self._take(1)[0]

    def text(self) -> str:
        """Return a string, without the zero at its end."""
        return self._take(self.word())[:-1].decode(errors='replace')

    def rest(self) -> memoryview:
        """Return the bytes of a sequence that is the last field; `at` is where they begin."""
        length = self.word()
        if self.at + length > len(self._message):
            raise self._cut()
        return memoryview(self._message)[self.at:self.at + length]

    def _unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        self.at += -self.at % 4
        self.at += layout.size
        if self.at > len(self._message):
            raise self._cut()
        return layout.unpack_from(self._message, self.at - layout.size)

    def _take(self, length: int) -> bytes:
        self.at += length
        if self.at > len(self._message):
            raise self._cut()
        return self._message[self.at - length:self.at]

    def _cut(self) -> EncodingError:
        return EncodingError(
            f'the message ends within its fields, after {len(self._message)} bytes: it was cut, '
            'or is of another type; check what publishes on this topic')
