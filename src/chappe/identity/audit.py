"""The audit log: every administrative act and every refused access, append-only, hash-chained.

An entry's hash is SHA-256 over the hash before it and the entry in canonical JSON. Whoever changes,
inserts or removes an entry in the middle breaks the chain; whoever cuts its end is found by whoever
kept an anchor (the last sequence number and hash) elsewhere.
"""

import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chappe.core.connections import Connection, Connections
from chappe.core.errors import ChappeError
from chappe.identity.access import Actor

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

Outcome = Literal["done", "refused"]

_LOCK = "select pg_advisory_xact_lock(64, 1)"
_LAST = "select sequence, hash from audit_entry order by sequence desc limit 1"
_INSERT = """
    insert into audit_entry (sequence, at, actor, organisation_id, action, object, outcome, detail,
        previous, hash)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_START = bytes(32)
# The same refusal again and again is one entry a minute, so that nobody can fill the disk with it.
_REPEAT = """
    select 1 from audit_entry where at > %s and actor = %s and action = %s and object = %s
        and outcome = 'refused' limit 1
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        sequence: 1, 2, 3…
        actor: `key:ID`, `page`, `system`.
        action: noun.verb, such as `limit.set`.
        object: what it was done to.
        detail: what was done; never a secret.
    """

    sequence: int
    at: datetime
    actor: str
    organisation_id: uuid.UUID | None
    action: str
    object: str
    outcome: Outcome
    detail: dict[str, Any]
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found.

    Attributes:
        entries: how many hold, from the first on.
        broken_at: sequence of the first that doesn't; None when all hold.
        reason: why, in English.
        last: hash of the last entry that holds, in hexadecimal: the anchor to keep elsewhere.
    """

    entries: int
    broken_at: int | None
    reason: str
    last: str


def digest(previous: bytes, sequence: int, at: datetime, fields: dict[str, Any]) -> bytes:
    """The hash of an entry."""
    text = json.dumps(
        {"sequence": sequence, "at": at.astimezone(UTC).isoformat()} | fields,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        default=str,
    )
    return hashlib.sha256(previous + text.encode()).digest()


def _fields(
    actor: str,
    organisation_id: uuid.UUID | None,
    action: str,
    object: str,
    outcome: str,
    detail: dict[str, Any],
) -> dict[str, Any]:
    return {
        "actor": actor,
        "organisation_id": str(organisation_id) if organisation_id else None,
        "action": action,
        "object": object,
        "outcome": outcome,
        "detail": detail,
    }


async def record(
    connection: Connection,
    actor: Actor,
    action: str,
    object: str,
    detail: dict[str, Any] | None = None,
    outcome: Outcome = "done",
) -> None:
    """Write an entry in the caller's transaction: it stands or falls with what it tells."""
    # What jsonb would change (numbers beyond a double's digits…) must not change the hash.
    kept: dict[str, Any] = json.loads(json.dumps(detail or {}, default=str))
    # One writer at a time: the chain has one end, without gaps.
    await connection.execute(_LOCK)
    row = await (await connection.execute(_LAST)).fetchone()
    sequence, previous = (row[0] + 1, bytes(row[1])) if row else (1, _START)
    at = datetime.now(UTC)
    fields = _fields(actor.name, actor.organisation_id, action, object, outcome, kept)
    await connection.execute(
        _INSERT,
        (
            sequence, at, actor.name, actor.organisation_id, action, object, outcome, Jsonb(kept),
            previous, digest(previous, sequence, at, fields),
        ),
    )  # fmt: skip


async def record_in(
    session: "AsyncSession",
    actor: Actor,
    action: str,
    object: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """As :func:`record`, in the transaction of an SQLAlchemy session."""
    raw = await (await session.connection()).get_raw_connection()
    connection: Connection | None = raw.driver_connection
    assert connection is not None
    await record(connection, actor, action, object, detail)


async def record_refusal(
    connections: Connections, actor: Actor, action: str, object: str, reason: str
) -> None:
    """Write that somebody was refused something; the same again within a minute isn't repeated."""
    try:
        async with connections.transaction() as connection:
            minute = datetime.now(UTC).replace(second=0, microsecond=0)
            cursor = await connection.execute(_REPEAT, (minute, actor.name, action, object))
            if await cursor.fetchone() is None:
                await record(connection, actor, action, object, {"reason": reason}, "refused")
    except ChappeError:
        return  # the database is away: nothing can be administered either


async def entries(
    connection: Connection,
    *,
    organisation_id: uuid.UUID | None = None,
    before: int | None = None,
    action: str | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Entries, newest first; of one organisation if it is given."""
    conditions, values = ["true"], dict[str, Any](limit=limit)
    for name, value in (("organisation_id", organisation_id), ("action", action)):
        if value is not None:
            conditions.append(f"{name} = %({name})s")
            values[name] = value
    if before is not None:
        conditions.append("sequence < %(before)s")
        values["before"] = before
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"select * from audit_entry where {' and '.join(conditions)}"  # noqa: S608
            " order by sequence desc limit %(limit)s",
            values,
        )
        return [_entry(row) for row in await cursor.fetchall()]


async def verify(connection: Connection, anchor: tuple[int, str] | None = None) -> Verdict:
    """Go through the whole log.

    Args:
        connection: the database.
        anchor: a sequence number and its hash (hexadecimal) that was kept elsewhere.
    """
    previous, count = _START, 0
    seen_anchor = anchor is None
    async for entry in _all(connection):
        reason = ""
        if entry.sequence != count + 1:
            reason = f"entry {count + 1} is missing"
        elif entry.previous != previous:
            reason = "it doesn't follow the entry before it"
        else:
            fields = _fields(
                entry.actor, entry.organisation_id, entry.action, entry.object, entry.outcome,
                entry.detail,
            )  # fmt: skip
            if digest(previous, entry.sequence, entry.at, fields) != entry.hash:
                reason = "it was changed"
        if anchor is not None and entry.sequence == anchor[0]:
            seen_anchor = True
            if not reason and entry.hash.hex() != anchor[1].lower():
                reason = "it isn't the entry of the anchor"
        if reason:
            return Verdict(count, count + 1, reason, previous.hex())
        previous, count = entry.hash, entry.sequence
    if not seen_anchor:
        return Verdict(count, count + 1, "the log ends before the anchor", previous.hex())
    return Verdict(count, None, "", previous.hex())


async def _all(connection: Connection) -> AsyncIterator[Entry]:
    async with connection.cursor("audit", row_factory=dict_row) as cursor:
        await cursor.execute("select * from audit_entry order by sequence")
        async for row in cursor:
            yield _entry(row)


def _entry(row: dict[str, Any]) -> Entry:
    values = row | {"previous": bytes(row["previous"]), "hash": bytes(row["hash"])}
    return Entry(**values)
