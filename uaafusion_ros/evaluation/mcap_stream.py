"""MCAP files that were never closed: all that is readable, without an index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mcap.opcode import Opcode
from mcap.records import Channel
from mcap.records import McapRecord
from mcap.records import Message
from mcap.records import Schema
from mcap.stream_reader import StreamReader

from uaafusion_ros.evaluation.bags import RawMessage

_MAGIC = b'\x89MCAP0\r\n'
_FOOTER = b'\x02' + (20).to_bytes(8, 'little')
_FOOTER_BYTES = 37  # footer record and closing magic


def fault(path: Path) -> str:
    """Say what keeps an MCAP file from being whole: no closing footer, no index; '' if nothing."""
    with path.open('rb') as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _FOOTER_BYTES))
        end = file.read()
    if not (len(end) == _FOOTER_BYTES and end.startswith(_FOOTER) and end.endswith(_MAGIC)):
        return 'is truncated (the footer of its MCAP file is missing)'
    if not int.from_bytes(end[9:17], 'little'):
        return 'has no index'
    return ''


def stream(path: Path) -> Iterator[RawMessage]:
    """
    Yield the messages of an MCAP file in the order they were written, up to its first damage.

    The end of what can be read is the end of the iteration: nothing is raised.
    """
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    for record in _records(path):
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            channels[record.id] = record
        elif isinstance(record, Message) and record.channel_id in channels:
            channel = channels[record.channel_id]
            schema = schemas.get(channel.schema_id)
            if schema and channel.message_encoding == 'cdr':
                yield RawMessage(channel.topic, schema.name, record.log_time, record.data)


def _records(path: Path) -> Iterator[McapRecord]:
    """Yield all whole records, those of an uncompressed chunk that was cut off included."""
    # A damaged length must not have that much memory allocated.
    limit = path.stat().st_size
    with path.open('rb') as file:
        place = len(_MAGIC)
        for record in _until_damage(StreamReader(file, record_size_limit=limit)):
            place = file.tell()
            yield record
        file.seek(place)
        opcode = file.read(9)[:1]
        file.read(28)  # times, size and checksum of the chunk
        compression = file.read(int.from_bytes(file.read(4), 'little'))
        if opcode == bytes([Opcode.CHUNK]) and not compression:
            file.read(8)  # the length of its records
            yield from _until_damage(
                StreamReader(file, skip_magic=True, record_size_limit=limit))


def _until_damage(reader: StreamReader) -> Iterator[McapRecord]:
    records = reader.records
    while True:
        try:
            record = next(records)
        except Exception:  # the parser raises whatever damage makes of it; StopIteration too
            return
        yield record
