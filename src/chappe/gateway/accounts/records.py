"""The form of a journal's files: a mark, then records until the first that isn't whole.

A record is its length (4 bytes), the CRC-32 of its payload (4), its kind (1) and the payload: an
account as a JSON array, in the order of :class:`Account`'s fields. JSON, since that is what the
database is given: the writer copies the bytes without reading them.
"""

import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

from chappe.gateway.accounts.account import Account

log = logging.getLogger(__name__)

# The last byte is the version of the layout: it changes when Account's fields do.
MARK = b"chappe\x00\x01"
HEADER = struct.Struct("<IIB")
OPENED, SETTLED = 1, 2
MOST_BYTES = 4096
"""Longest record, its header included."""
_CHUNK = 1 << 18

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Account).decode


def identifier(payload: bytes) -> bytes:
    """The account's id in a payload, as text: the array's first item."""
    return payload[2 : payload.index(b'"', 2)]


def read_records(
    path: Path, start: int = len(MARK), end: int | None = None, only: int | None = None
) -> Iterator[tuple[int, bytes, int]]:
    """The records of a file from one offset on: kind, payload, and the offset after it.

    With `only`, those of one kind. Ends at `end`, or without one at the first record that isn't
    whole: what a process that was killed was writing. Memory stays at one chunk.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        buffer, base, at = b"", start, 0
        limit = os.fstat(descriptor).st_size if end is None else end
        while base + at + HEADER.size <= limit:
            if len(buffer) - at < min(MOST_BYTES, limit - base - at):
                base, at = base + at, 0
                buffer = os.pread(descriptor, min(_CHUNK, limit - base), base)
                if len(buffer) < HEADER.size:
                    break
            size, check, kind = HEADER.unpack_from(buffer, at)
            begin = at + HEADER.size
            if only is not None and kind != only and size:
                at = begin + size
                continue
            payload = buffer[begin : begin + size]
            if not size or len(payload) < size or crc32(payload, kind) != check:
                break
            at = begin + size
            yield kind, payload, base + at
        if end is not None and base + at < end:
            log.error("journal_damaged", extra={"file": str(path), "offset": base + at})
    finally:
        os.close(descriptor)


def readable(path: Path) -> bool:
    """Is the file a segment in the layout that this version knows."""
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK
