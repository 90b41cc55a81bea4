"""Putting in again the accounts that were set aside, once what kept them out is mended."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from chappe.core.connections import Connections
from chappe.gateway.accounts.aside import Aside, Entry
from chappe.gateway.accounts.writer import BATCH, write_each

_entry = msgspec.json.Decoder(Entry).decode


@dataclass(slots=True)
class Retried:
    """What became of them.

    Attributes:
        stored: accounts that are in the database now, each once, whoever wrote it.
        kept: those that are set aside again, with the database's new reason, and lines that can't
            be read.
    """

    stored: int = 0
    kept: int = 0


async def retry(connections: Connections, root: Path) -> Retried:
    """Write what is in `root`'s `set-aside.jsonl`; what still can't be stored stays there.

    Killed at any moment, the next one goes on: a row that is in the database already is passed
    over, in the hourly sums too.

    Raises:
        ChappeError, psycopg.Error: as :func:`.writer.write_each`; nothing is lost.
    """
    total = Retried()
    aside = Aside(root)
    with aside.alone() as left:
        if left:
            await _write(connections, aside, total)
        if aside.take():
            total.kept = 0  # they were put back into this file
            await _write(connections, aside, total)
    return total


async def _write(connections: Connections, aside: Aside, total: Retried) -> None:
    rows: dict[bytes, None] = {}
    unreadable = []
    for line in aside.retrying.read_bytes().splitlines():
        try:
            rows[bytes(_entry(line).account)] = None
        except msgspec.DecodeError:
            unreadable.append(line)
    waiting = list(rows)
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        stored = await write_each(connections, batch, aside)
        total.stored += stored
        total.kept += len(batch) - stored
    for line in unreadable:
        aside.append(line)
    total.kept += len(unreadable)
    aside.retrying.unlink()
