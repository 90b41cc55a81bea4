"""Accounts that the database can't store: kept in a file, so that they don't keep others out."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)


class Entry(msgspec.Struct):
    """One line of the file: the moment, the database's reason, and the account's JSON array."""

    at: datetime
    reason: str
    account: msgspec.Raw


class Aside:
    """The file `set-aside.jsonl` beside the journals, and how many accounts this process put there.

    Several processes write it, and one of them may be taking it away to try again.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / "set-aside.jsonl"
        self.retrying = root / "set-aside.retrying.jsonl"
        self.count = 0

    def put(self, row: bytes, reason: str) -> None:
        """Keep an account."""
        self.count += 1
        self.append(msgspec.json.encode(Entry(datetime.now(UTC), reason, msgspec.Raw(row))))
        log.error("account_set_aside", extra={"file": str(self.path), "reason": reason})

    def append(self, line: bytes) -> None:
        """Add a line to the file as it is now."""
        while True:
            with self.path.open("ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                with contextlib.suppress(FileNotFoundError):
                    # Taken away between the two, it would be added to what is already read.
                    if os.fstat(file.fileno()).st_ino == self.path.stat().st_ino:
                        file.write(line + b"\n")
                        return

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Be the only process that tries again; tells if one was killed doing so."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.with_suffix(".lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield self.retrying.exists()

    def take(self) -> bool:
        """Take the file away as `retrying`; False when there is none."""
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self.path.rename(self.retrying)
        except FileNotFoundError:
            return False
        return True
