"""The audit log: every administrative act and every refused access, append-only, hash-chained.

An entry's hash is SHA-256 over the hash before it and the entry in canonical JSON. Whoever changes,
inserts or removes an entry in the middle breaks the chain. Whoever cuts its end, or writes it all
anew, is found by whoever kept an anchor (the last sequence number and hash) elsewhere.
"""

import hashlib
import json
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from psycopg.rows import dict_row
from psycopg.types.json import Json

from chappe.core.connections import Connection
from chappe.identity.access import Actor
from chappe.identity.acts import Act

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

Outcome = Literal["done", "refused"]

_LOCK = "select pg_advisory_xact_lock(64, 1)"
# The database's clock, so that replicas whose clocks differ write one order of time.
_LAST = """
    select clock_timestamp(), last.sequence, last.hash from (select) as always
    left join (select sequence, hash from audit_entry order by sequence desc limit 1) last on true
"""
_INSERT = """
    insert into audit_entry (sequence, at, actor, organisation_id, action, object, outcome, detail,
        previous, hash)
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_START = bytes(32)
_MOST_CHARACTERS = 300
_BATCH = 1000
# What must never be written even when it is put where it doesn't belong: our keys, tokens, and
# passwords in addresses.
_SECRETS = (
    (re.compile(r"\bchp_[A-Za-z0-9_-]{8,}"), "chp_…"),
    (re.compile(r"(?i)\bbearer\s+[^\s\"\\]+"), "Bearer …"),
    (re.compile(r"(?<=://)[^/\s\"@]+@"), "…@"),
)


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

    def view(self) -> dict[str, Any]:
        """The entry as the interfaces show it."""
        return {
            "sequence": self.sequence,
            "at": self.at,
            "actor": self.actor,
            "action": self.action,
            "object": self.object,
            "outcome": self.outcome,
            "detail": self.detail,
            "hash": self.hash.hex(),
        }


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


def without_secrets(text: str) -> str:
    """A text without what looks like a key, a token or a password in an address."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def storable(text: str) -> str:
    """A text that the database can hold, short and without secrets."""
    clean = text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    return without_secrets(clean)[:_MOST_CHARACTERS]


async def hold(connection: Connection) -> None:
    """Be the only one who writes entries, until the transaction ends.

    Whoever records several acts in one transaction calls this first: two that took turns between
    entries and other rows would wait for each other.
    """
    await connection.execute(_LOCK)


async def append(
    connection: Connection,
    actor: str,
    organisation_id: uuid.UUID | None,
    action: Act,
    object: str,
    detail: dict[str, Any],
    outcome: Outcome,
) -> None:
    """Write an entry in the caller's transaction: it stands or falls with what it tells."""
    kept: dict[str, Any] = json.loads(
        without_secrets(json.dumps(detail, default=str, ensure_ascii=False)), parse_constant=str
    )
    object = storable(object)
    await hold(connection)
    row = await (await connection.execute(_LAST)).fetchone()
    assert row is not None
    at: datetime = row[0]
    sequence, previous = (row[1] + 1, bytes(row[2])) if row[1] else (1, _START)
    fields = _fields(actor, organisation_id, action, object, outcome, kept)
    await connection.execute(
        _INSERT,
        (
            sequence, at, actor, organisation_id, action, object, outcome, Json(kept),
            previous, digest(previous, sequence, at, fields),
        ),
    )  # fmt: skip


async def record(
    connection: Connection,
    actor: Actor,
    action: Act,
    object: str,
    detail: dict[str, Any] | None = None,
    outcome: Outcome = "done",
    *,
    organisation_id: uuid.UUID | None = None,
) -> None:
    """Write what an actor did, in the caller's transaction.

    Args:
        organisation_id: whose administrators see it; None for the actor's own organisation.
    """
    whose = organisation_id or actor.organisation_id
    await append(connection, actor.name, whose, action, object, detail or {}, outcome)


async def record_in(
    session: "AsyncSession",
    actor: Actor,
    action: Act,
    object: str,
    detail: dict[str, Any] | None = None,
    outcome: Outcome = "done",
    *,
    organisation_id: uuid.UUID | None = None,
) -> None:
    """As :func:`record`, in the transaction of an SQLAlchemy session."""
    connection = await connection_of(session)
    await record(
        connection, actor, action, object, detail, outcome, organisation_id=organisation_id
    )


async def connection_of(session: "AsyncSession") -> Connection:
    """The plain connection under an SQLAlchemy session, in the same transaction."""
    raw = await (await session.connection()).get_raw_connection()
    connection: Connection | None = raw.driver_connection
    assert connection is not None
    return connection


async def entries(
    connection: Connection,
    *,
    organisation_id: uuid.UUID | None = None,
    before: int | None = None,
    action: Act | None = None,
    outcome: Outcome | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Entries, newest first; of one organisation if it is given."""
    conditions, values = ["true"], dict[str, Any](limit=limit)
    wanted = {"organisation_id": organisation_id, "action": action, "outcome": outcome}
    for name, value in wanted.items():
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


async def verify(connection: Connection, anchor: tuple[int | None, str] | None = None) -> Verdict:
    """Go through the whole log, a thousand entries at a time.

    Args:
        connection: the database.
        anchor: a hash (hexadecimal) that was kept elsewhere, and its sequence number if known.
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
        if anchor is not None:
            same = entry.hash.hex() == anchor[1].lower()
            if entry.sequence == anchor[0] and not same and not reason:
                reason = "it isn't the entry of the anchor"
            seen_anchor = seen_anchor or (same and anchor[0] in (None, entry.sequence))
        if reason:
            return Verdict(count, count + 1, reason, previous.hex())
        previous, count = entry.hash, entry.sequence
    if not seen_anchor:
        return Verdict(count, count + 1, "the entry of the anchor is missing", previous.hex())
    return Verdict(count, None, "", previous.hex())


async def _all(connection: Connection) -> AsyncIterator[Entry]:
    async with connection.cursor("audit", row_factory=dict_row) as cursor:
        cursor.itersize = _BATCH
        await cursor.execute("select * from audit_entry order by sequence")
        async for row in cursor:
            yield _entry(row)


def _entry(row: dict[str, Any]) -> Entry:
    values = row | {"previous": bytes(row["previous"]), "hash": bytes(row["hash"])}
    return Entry(**values)
