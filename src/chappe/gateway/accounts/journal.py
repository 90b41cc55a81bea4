"""The local log of accounts: what was admitted is written here before anything is sent.

Segments are files mapped into memory and shared with the kernel: what is written there outlives the
process, also `kill -9`, without waiting for a disk (a power cut may take the last seconds, as the
kernel writes them). A record is its length and CRC-32 (4 bytes each), then the account in msgpack;
the header is written last, so that a torn record reads as the end. Space is reserved before it is
used, so that a full disk is an error here and not a signal.
"""

import errno
import fcntl
import mmap
import os
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

from chappe.core.errors import ChappeError
from chappe.gateway.accounts.account import Account

SEGMENT_BYTES = 4 * 1024 * 1024
_HEADER = struct.Struct("<II")
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Account)


class Segment:
    """One file.

    Attributes:
        number: its place in the order.
        pending: accounts with a record here that aren't in the database yet.
    """

    __slots__ = ("_map", "at", "number", "path", "pending")

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self.number = number
        self.at = 0
        self.pending = 0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SEGMENT_BYTES)
            self._map = mmap.mmap(descriptor, SEGMENT_BYTES)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def fits(self, size: int) -> bool:
        """Is there room for a record of so many bytes."""
        return self.at + _HEADER.size + size <= SEGMENT_BYTES

    def append(self, payload: bytes) -> int:
        """Write a record; gives its place."""
        at, start = self.at, self.at + _HEADER.size
        self._map[start : start + len(payload)] = payload
        _HEADER.pack_into(self._map, at, len(payload), crc32(payload))
        self.at = start + len(payload)
        return at

    def read(self, at: int) -> Account:
        """The account at a place."""
        size, _ = _HEADER.unpack_from(self._map, at)
        return _DECODER.decode(self._map[at + _HEADER.size : at + _HEADER.size + size])

    def remove(self) -> None:
        """Delete the file."""
        self._map.close()
        self.path.unlink(missing_ok=True)


class Journal:
    """The journal of this process.

    Args:
        folder: its folder, held by a lock as long as the process lives.
        max_bytes: most that all segments together may take.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        # Held before it has its name: a folder that nobody holds is a dead process's.
        unnamed = folder.with_name(f".{folder.name}")
        unnamed.mkdir(parents=True, mode=0o700)
        lock = lock_folder(unnamed)
        assert lock is not None, "nobody else knows of it"
        self._lock = lock
        unnamed.rename(folder)
        self._most = max(3, max_bytes // SEGMENT_BYTES)
        self._number = 0
        self._segments: dict[int, Segment] = {}
        self._current = self._new()
        # Made ahead: what was admitted can be settled even when the disk is full.
        self._spare: Segment | None = self._new()

    def _new(self) -> Segment:
        self._number += 1
        return Segment(self.folder / f"{self._number:010d}.seg", self._number)

    def opened(self, account: Account) -> None:
        """Write an account that was just admitted.

        Raises:
            ChappeError: `accounts_full` (503): nothing is served that can't be accounted for.
        """
        payload = _ENCODER.encode(account)
        if not self._current.fits(len(payload)) and not self._roll():
            raise ChappeError("accounts_full", 503)
        if self._spare is None and not self._make_spare():
            raise ChappeError("accounts_full", 503)
        self._current.append(payload)
        self._current.pending += 1
        account.segment = self._current.number

    def settled(self, account: Account) -> tuple[int, int]:
        """Write an account that ended; gives the place of its record."""
        payload = _ENCODER.encode(account)
        if not self._current.fits(len(payload)):
            self._roll()
        at = self._current.append(payload)
        self._current.pending += 1
        return self._current.number, at

    def _roll(self) -> bool:
        if self._spare is None and not self._make_spare():
            return False
        assert self._spare is not None
        self._segments[self._current.number] = self._current
        self._drop(self._current)
        self._current, self._spare = self._spare, None
        self._make_spare()
        return True

    def _make_spare(self) -> bool:
        if len(self._segments) + 2 > self._most:
            return False
        try:
            self._spare = self._new()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return False
        return True

    def read(self, place: tuple[int, int]) -> Account:
        """A settled account, from its place."""
        return self._segment(place[0]).read(place[1])

    def _segment(self, number: int) -> Segment:
        return self._current if number == self._current.number else self._segments[number]

    def written(self, account: Account, settled_in: int) -> None:
        """An account is in the database: its records aren't needed any more."""
        for number in (account.segment, settled_in):
            segment = self._segment(number)
            segment.pending -= 1
            if segment is not self._current:
                self._drop(segment)

    def _drop(self, segment: Segment) -> None:
        if segment.pending == 0 and self._segments.pop(segment.number, None) is not None:
            segment.remove()

    def close(self, *, clean: bool) -> None:
        """Leave; a clean journal, with nothing that isn't in the database, is removed."""
        if clean:
            for segment in (*self._segments.values(), self._current, self._spare):
                if segment is not None:
                    segment.remove()
            remove_folder(self.folder)
        os.close(self._lock)


def lock_folder(folder: Path) -> int | None:
    """Hold a journal's folder; None when a living process holds it. Close the number to let go."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def remove_folder(folder: Path) -> None:
    """Delete a journal that has been taken care of; what was set aside stays."""
    for path in (*folder.glob("*.seg"), folder / "lock"):
        path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def read_folder(folder: Path) -> Iterator[Account]:
    """The last record of each account of a journal; its outcome is empty if it never ended."""
    last: dict[bytes, Account] = {}
    for path in sorted(folder.glob("*.seg")):
        data = path.read_bytes()
        at = 0
        while at + _HEADER.size <= len(data):
            size, check = _HEADER.unpack_from(data, at)
            payload = data[at + _HEADER.size : at + _HEADER.size + size]
            if not size or len(payload) < size or crc32(payload) != check:
                break
            account = _DECODER.decode(payload)
            last[account.id.bytes] = account
            at += _HEADER.size + size
    yield from last.values()


Waiting = deque[tuple[Account | None, tuple[int, int]]]
"""Settled accounts to be written: the account, or None where it must be read at its place again."""
