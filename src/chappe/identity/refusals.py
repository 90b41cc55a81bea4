"""Refused accesses, in the audit log without letting anybody fill the disk with them.

The first refusal of a minute is an entry at once. The same again (actor, action and object) is
counted, and the count becomes one entry when the minute is over. In a minute an actor has at most
ten objects of its own for an action; the others are counted together as `…`.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime

import psycopg

from chappe.core.connections import Connection, Connections
from chappe.core.errors import ChappeError
from chappe.identity.access import Actor
from chappe.identity.acts import Act
from chappe.identity.audit import append, hold, storable
from chappe.identity.lookup import Found

log = logging.getLogger(__name__)

UNKNOWN = Actor("unknown", frozenset())
"""Whoever gives no key that exists."""
OTHERS = "…"
_MOST_OBJECTS = 10
_MOST_KEPT = 1000

_COUNT = """
    insert into audit_refusal as r (actor, action, object, minute, organisation_id, reason, count)
    values (%(actor)s, %(action)s,
        case when exists (select from audit_refusal where actor = %(actor)s
                and action = %(action)s and object = %(object)s
                and minute = date_trunc('minute', now()))
            or (select count(*) from audit_refusal where actor = %(actor)s
                and action = %(action)s and minute = date_trunc('minute', now())) < %(most)s
            then %(object)s else %(others)s end,
        date_trunc('minute', now()), %(organisation_id)s, %(reason)s, %(count)s)
    on conflict (actor, minute, action, object) do update set count = r.count + excluded.count
    returning r.object, r.count = %(count)s
"""
_OVER = """
    delete from audit_refusal where minute < date_trunc('minute', now())
    returning actor, organisation_id, action, object, reason, count, minute
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody was refused something.

    Attributes:
        actor: its name in the log.
        organisation_id: its organisation.
        action: noun.verb.
        object: what it was to be done to.
        reason: why not, in English.
    """

    actor: str
    organisation_id: uuid.UUID | None
    action: Act
    object: str
    reason: str

    @classmethod
    def of(cls, actor: Actor, action: Act, object: str, reason: str) -> "Refusal":
        """The refusal of an actor, in a form that can be kept."""
        return cls(actor.name, actor.organisation_id, action, storable(object), reason)


async def count_refusal(connection: Connection, refusal: Refusal, count: int = 1) -> None:
    """Write a refusal that happened `count` times, in the caller's transaction."""
    await hold(connection)
    values = {
        "actor": refusal.actor, "organisation_id": refusal.organisation_id,
        "action": refusal.action, "object": refusal.object, "reason": refusal.reason,
        "count": count, "most": _MOST_OBJECTS, "others": OTHERS,
    }  # fmt: skip
    row = await (await connection.execute(_COUNT, values)).fetchone()
    assert row is not None
    object, first = row
    if first:
        detail = {"reason": refusal.reason}
        await append(
            connection, refusal.actor, refusal.organisation_id, refusal.action, object, detail,
            "refused",
        )  # fmt: skip


async def close_minutes(connection: Connection) -> None:
    """Write what was counted in minutes that are over."""
    await hold(connection)
    for row in await (await connection.execute(_OVER)).fetchall():
        actor, organisation_id, action, object, reason, count, minute = row
        if count > 1:
            began: datetime = minute
            detail = {"reason": reason, "repeats": count - 1, "minute": began.isoformat()}
            await append(connection, actor, organisation_id, action, object, detail, "refused")


async def record_refusal(
    connections: Connections, actor: Actor, action: Act, object: str, reason: str
) -> None:
    """Write that somebody was refused something, in a transaction of its own."""
    try:
        async with connections.transaction() as connection:
            await close_minutes(connection)
            await count_refusal(connection, Refusal.of(actor, action, object, reason))
    except ChappeError:
        return  # the database is away: nothing can be administered either


class Refusals:
    """Refusals of requests to models: noted at once in memory, written every few seconds.

    A process that is killed loses those of the last seconds; one whose database is away keeps at
    most a thousand different ones, and counts the others together.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._noted: dict[Refusal, int] = {}

    def note(self, actor: Actor, action: Act, object: str, reason: str) -> None:
        """Note that an actor was refused something."""
        refusal = Refusal.of(actor, action, object, reason)
        if refusal not in self._noted and len(self._noted) >= _MOST_KEPT:
            refusal = Refusal(UNKNOWN.name, None, action, OTHERS, reason)
        self._noted[refusal] = self._noted.get(refusal, 0) + 1

    async def write(self) -> None:
        """Write what was noted, and close the minutes that are over."""
        noted, self._noted = self._noted, {}
        try:
            async with self._connections.transaction() as connection:
                await close_minutes(connection)
                for refusal, count in noted.items():
                    await count_refusal(connection, refusal, count)
        except (ChappeError, psycopg.Error) as error:
            if not isinstance(error, ChappeError):
                log.error("refusals_unwritten", exc_info=error)
            for refusal, count in self._noted.items():
                noted[refusal] = noted.get(refusal, 0) + count
            self._noted = noted


def note_key(refusals: Refusals, found: Found | None) -> None:
    """Note that a key was refused; None for one that doesn't exist."""
    if found is None:
        refusals.note(UNKNOWN, "key.use", "", "no such key")
    else:
        refusals.note(found.actor, "key.use", "", "revoked or expired")
