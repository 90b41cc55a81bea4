"""Accounts that the database can't store: kept in a file, so that they don't keep others out."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)


class Aside:
    """The file `set-aside.jsonl` beside the journals, and how many accounts this process put there.

    Each line has the moment, the database's reason and the account as its JSON array.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / "set-aside.jsonl"
        self.count = 0

    def put(self, row: bytes, reason: str) -> None:
        """Keep an account."""
        self.count += 1
        entry = {"at": datetime.now(UTC), "reason": reason, "account": msgspec.Raw(row)}
        with self.path.open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(entry) + b"\n")
        log.error("account_set_aside", extra={"file": str(self.path), "reason": reason})
