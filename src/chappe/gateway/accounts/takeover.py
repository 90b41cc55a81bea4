"""Taking over the journals of processes of this machine that are dead."""

import logging
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from chappe.core.connections import Connections
from chappe.gateway.accounts import folder
from chappe.gateway.accounts.aside import Aside
from chappe.gateway.accounts.records import (
    SETTLED,
    decode,
    encode,
    identifier,
    read_records,
    readable,
)
from chappe.gateway.accounts.writer import BATCH, write_each

log = logging.getLogger(__name__)

INTERRUPTED = "the serving process ended"


@dataclass(slots=True)
class Takeover:
    """What was taken over.

    Attributes:
        replicas: whose journals were written and removed.
        settled: accounts that had ended, in the database or not yet.
        interrupted: accounts that hadn't.
    """

    replicas: list[uuid.UUID] = field(default_factory=list)
    settled: int = 0
    interrupted: int = 0


async def take_over(connections: Connections, root: Path, aside: Aside) -> Takeover:
    """Write what dead processes left, and remove their journals and their rows of replicas.

    Each account is written once whoever tries, and however often: a folder is held by one process,
    and a row that is there already is passed over.

    Raises:
        ChappeError, psycopg.Error: as :func:`.writer.write_each`; what is left is tried again.
    """
    total = Takeover()
    for replica, path in folder.journals(root):
        held = folder.hold(path)
        if held is None:
            continue
        try:
            unknown = [item for item in held.segments() if not readable(item)]
            if unknown:
                log.error("journal_of_another_version", extra={"file": str(unknown[0])})
                held.let_go()
                continue
            await _replay(connections, held, aside, total)
            async with connections.transaction() as connection:
                await connection.execute("delete from gateway_replica where id = %s", (replica,))
        except BaseException:
            held.let_go()
            raise
        held.remove()
        total.replicas.append(replica)
    if total.replicas:
        extra = {"settled": total.settled, "interrupted": total.interrupted}
        log.warning("accounts_taken_over", extra=extra)
    return total


async def _replay(
    connections: Connections, held: folder.HeldFolder, aside: Aside, total: Takeover
) -> None:
    """Write a journal, a batch at a time; only what was open at once is in memory together."""
    unsettled: dict[bytes, bytes] = {}
    rows: list[bytes] = []
    for path in held.segments():
        for kind, payload, _ in read_records(path):
            if kind != SETTLED:
                unsettled[identifier(payload)] = payload
                continue
            unsettled.pop(identifier(payload), None)
            rows.append(payload)
            if len(rows) == BATCH:
                await write_each(connections, rows, aside)
                total.settled += len(rows)
                rows = []
    total.settled += len(rows)
    total.interrupted += len(unsettled)
    rows += map(_interrupted, unsettled.values())
    for start in range(0, len(rows), BATCH):
        await write_each(connections, rows[start : start + BATCH], aside)


def _interrupted(payload: bytes) -> bytes:
    account = decode(payload)
    account.outcome, account.error = "interrupted", INTERRUPTED
    return encode(account)
