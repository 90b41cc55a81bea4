"""The local log of accounts: what was admitted is written here before anything is sent.

A queue of files. Its tail is mapped into memory and shared with the kernel: what is written there
outlives the process, also `kill -9`, and no request waits for a disk. Its head is deleted once all
that it settled is in the database; an account that is still open there is written anew at the tail.

Space is reserved on the disk before it is used: a full disk refuses a request here, rather than
kill the process in the middle of a write, and what was admitted can always be settled.
"""

import asyncio
import logging
import mmap
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from chappe.core.errors import ChappeError
from chappe.gateway.accounts import folder
from chappe.gateway.accounts.account import Account
from chappe.gateway.accounts.records import (
    HEADER,
    MARK,
    MOST_BYTES,
    OPENED,
    SETTLED,
    encode,
    read_records,
)

log = logging.getLogger(__name__)

_SEGMENT_BYTES = 4 * 1024 * 1024
_LEAST_SEGMENTS = 8
_TYPICAL_BYTES = 512
_MOST_RECENT = 4096
_HEADER_BYTES = HEADER.size
_write_header = HEADER.pack_into


class _Segment:
    """One file; `open` are the accounts whose first record is here and that aren't settled."""

    __slots__ = ("data", "descriptor", "end", "number", "open", "path")

    def __init__(self, path: Path, number: int, size: int) -> None:
        self.path = path
        self.number = number
        self.end = len(MARK)
        self.open: set[Account] = set()
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(self.descriptor, 0, size)
            self.data = mmap.mmap(self.descriptor, size)
            self.data[: len(MARK)] = MARK
        except BaseException:
            os.close(self.descriptor)
            path.unlink(missing_ok=True)
            raise

    def seal(self) -> None:
        """No more is written here; what isn't mapped doesn't count as our memory."""
        self.data.close()
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Batch:
    """Settled accounts to write, as they lie in the journal.

    Attributes:
        rows: each a JSON array.
        segment, offset: where the next batch begins.
        last: was there nothing after it when it was taken.
        recent: was it at hand, and not read from the files.
    """

    rows: list[bytes]
    segment: int
    offset: int
    last: bool
    recent: bool = False


class Journal:
    """The journal of this process.

    Args:
        path: its folder, held as long as the process lives.
        max_bytes: most that all its files together may take.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._folder = folder.create(path)
        self._size = min(_SEGMENT_BYTES, max_bytes // _LEAST_SEGMENTS)
        self._most = max_bytes // self._size
        # A record never goes over a file's end, where a piece shorter than one may stay unused.
        self._usable = self._size - len(MARK) - MOST_BYTES
        self._segments: deque[_Segment] = deque()
        self._tail: _Segment | None = None
        self._spares: deque[_Segment] = deque()
        self._numbers = 0
        self._room = 0
        self._cursor = (1, len(MARK))
        # What was settled last, with where its record ends, so that it needn't be read again; all
        # of what follows a place in the files, or nothing.
        self._recent: list[tuple[bytes, int, int]] = []
        self._recent_from: tuple[int, int] | None = self._cursor
        self.open = 0
        self.waiting = 0

    @property
    def size(self) -> int:
        """What its files take."""
        return (len(self._segments) + len(self._spares)) * self._size

    # Writing

    def opened(self, account: Account) -> None:
        """Write an account that was just admitted, and keep room to settle it.

        Raises:
            ChappeError: `accounts_full` (503): nothing is served that can't be accounted for.
        """
        payload = encode(account)
        if len(payload) > MOST_BYTES // 2:
            raise ValueError(f"the names in an account take {len(payload)} bytes")
        if self._room < (self.open + 2) * MOST_BYTES and not self._make_room(self.open + 2):
            raise ChappeError("accounts_full", 503)
        self.open += 1
        self._note_open(account, payload)

    def _note_open(self, account: Account, payload: bytes) -> None:
        segment = self._append(OPENED, payload)
        segment.open.add(account)
        account.segment = segment.number

    def settled(self, account: Account) -> None:
        """Write an account that ended."""
        payload = encode(account)
        if len(payload) > MOST_BYTES - HEADER.size:
            account.error = None
            payload = encode(account)
        segments = self._segments
        segments[account.segment - segments[0].number].open.discard(account)
        segment = self._append(SETTLED, payload)
        self.open -= 1
        self.waiting += 1
        if self._recent_from is not None:
            self._recent.append((payload, segment.number, segment.end))
            if len(self._recent) > _MOST_RECENT:
                self._recent, self._recent_from = [], None

    def _append(self, kind: int, payload: bytes) -> _Segment:
        """Write a record: its payload first, so that a torn one reads as the end."""
        size = len(payload)
        segment = self._tail
        if segment is None or segment.end + _HEADER_BYTES + size > self._size:
            segment = self._next()
        at = segment.end
        begin = at + _HEADER_BYTES
        segment.end = end = begin + size
        data = segment.data
        data[begin:end] = payload
        _write_header(data, at, size, crc32(payload, kind), kind)
        self._room -= end - at
        return segment

    def _next(self) -> _Segment:
        """Go on in a new file, made ahead: :meth:`opened` saw to it."""
        if self._tail is not None:
            self._tail.seal()
        self._tail = segment = self._spares.popleft()
        self._segments.append(segment)
        self._measure_room()
        return segment

    def _measure_room(self) -> None:
        self._room = len(self._spares) * self._usable
        if self._segments:
            self._room += max(0, self._size - MOST_BYTES - self._segments[-1].end)

    def _make_room(self, records: int) -> bool:
        """Reserve space for so many records; says if that could be done."""
        while self._room < records * MOST_BYTES:
            if len(self._segments) + len(self._spares) == self._most:
                return False
            number = self._numbers + 1
            path = self._folder.path / f"{number:010d}{folder.SUFFIX}"
            try:
                self._spares.append(_Segment(path, number, self._size))
            except OSError as error:
                log.error("journal_cannot_grow", extra={"reason": error.strerror})
                return False
            self._numbers = number
            self._measure_room()
        return True

    # Reading, for the writer

    def take(self, most: int) -> Batch:
        """The oldest settled accounts that aren't done; :meth:`done` moves on from them."""
        recent = self._recent[:most]
        if recent and self._cursor == self._recent_from:
            _, number, offset = recent[-1]
            last = len(recent) == len(self._recent)
            return Batch([row for row, _, _ in recent], number, offset, last, recent=True)
        number, offset = self._cursor
        rows: list[bytes] = []
        for segment in self._segments:
            if segment.number < number:
                continue
            if segment.number > number:
                number, offset = segment.number, len(MARK)
            for _, payload, after in read_records(segment.path, offset, segment.end, SETTLED):
                rows.append(payload)
                if len(rows) == most:
                    return Batch(rows, number, after, last=False)
            offset = segment.end
        self._recent, self._recent_from = [], (number, offset)
        return Batch(rows, number, offset, last=True)

    def done(self, batch: Batch) -> None:
        """A batch is in the database: forget it, and delete what nobody needs any more."""
        self._cursor = (batch.segment, batch.offset)
        if batch.recent and self._recent_from is not None:  # None: too many came in the meantime
            del self._recent[: len(batch.rows)]
            self._recent_from = self._cursor
        self.waiting -= len(batch.rows)
        while len(self._segments) > 1 and self._segments[0].number < batch.segment:
            if self._segments[0].open and not self._move_open():
                return
            self._segments.popleft().path.unlink()

    def _move_open(self) -> bool:
        """Write the head's open accounts at the tail, if that frees more than it takes."""
        head = self._segments[0]
        if len(head.open) * _TYPICAL_BYTES > self._size // 4:
            return False
        moved = [(account, encode(account)) for account in head.open]
        taken = sum(HEADER.size + len(payload) for _, payload in moved)
        if not self._make_room(self.open + 1 + taken // MOST_BYTES):
            return False
        for account, payload in moved:
            self._note_open(account, payload)
        head.open.clear()
        return True

    def unsettled(self) -> Iterator[Account]:
        """The accounts that are open."""
        for segment in self._segments:
            yield from tuple(segment.open)

    async def synchronise(self) -> None:
        """Have the tail on the disk: what it holds then survives a power cut."""
        if not self._segments:
            return
        descriptor = os.dup(self._segments[-1].descriptor)
        try:
            await asyncio.to_thread(os.fdatasync, descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Leave. A journal with nothing to write is removed, else it waits for the next start."""
        for segment in (*list(self._segments)[-1:], *self._spares):
            segment.seal()
        if self.open or self.waiting:
            for spare in self._spares:
                spare.path.unlink()
            self._folder.let_go()
        else:
            self._folder.remove()
