"""Keys that were seen lately, so that a request costs no question to the database.

Kept in memory: for each key, the SHA-256 of its `Authorization` header and its actor. A key goes on
working while the database is away, for `keep_seconds` after it was last checked; one that isn't
known is then refused with 503, never let in.
"""

import asyncio
import hashlib
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chappe.core.connections import Connection, Connections
from chappe.core.errors import ChappeError
from chappe.identity.access import Actor

_FRESH_SECONDS = 10.0
_REFUSED_SECONDS = 5.0
_MOST_KEYS = 50_000
_MOST_REFUSED = 10_000
_USE_NOTED_SECONDS = 60.0
_MOST_HEADER_BYTES = 512

_SELECT = """
    select k.id, k.scopes, k.level, k.organisation_id, o.slug, o.weight, k.person_id, k.expires_at,
           array(select m.group_id from person_group_member m where m.person_id = k.person_id)
    from api_key k join organisation o on o.id = k.organisation_id
    where k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
"""
_QUERY = f"{_SELECT} and k.digest = %s"


@dataclass(slots=True)
class _Entry:
    actor: Actor
    checked: float
    expires: float
    used: bool = True
    doubtful: bool = False


def secret_of(authorization: bytes) -> bytes:
    """The secret inside an `Authorization` header.

    Raises:
        ChappeError: `key_missing` (401).
    """
    scheme, _, secret = authorization.partition(b" ")
    secret = secret.strip()
    if scheme.lower() != b"bearer" or not secret or len(secret) > _MOST_HEADER_BYTES:
        raise ChappeError("key_missing", 401)
    return secret


async def actor_of_key(connection: Connection, key_id: uuid.UUID) -> Actor | None:
    """The actor of a key as it is now; None when it isn't valid any more."""
    row = await (await connection.execute(f"{_SELECT} and k.id = %s", (key_id,))).fetchone()
    return _actor(row) if row is not None else None


class KeyCache:
    """Actors by `Authorization` header.

    Args:
        connections: the database.
        keep_seconds: how long a known key works while the database is away.
    """

    def __init__(self, connections: Connections, keep_seconds: float = 3600.0) -> None:
        self._connections = connections
        self._keep = keep_seconds
        self._entries: dict[bytes, _Entry] = {}
        self._refused: dict[bytes, float] = {}
        self._asking: dict[bytes, asyncio.Task[Actor]] = {}
        self._noting: asyncio.Task[None] | None = None

    def clear(self) -> None:
        """Something changed among keys: each is checked again before it is used."""
        for entry in self._entries.values():
            entry.doubtful = True
        self._refused.clear()

    def get(self, authorization: bytes) -> Actor | None:
        """The actor, when nothing speaks against it; else ask :meth:`fetch`.

        A change among keys is told by the database at once, and :meth:`clear` makes every entry
        doubtful. An entry that is merely old is checked again in the background, so that nobody
        waits for a database that is away.
        """
        name = hashlib.sha256(authorization).digest()
        entry = self._entries.get(name)
        if entry is None or entry.doubtful:
            return None
        age = time.monotonic() - entry.checked
        if age >= _FRESH_SECONDS:
            if age >= self._keep or time.time() >= entry.expires:
                return None
            self._begin(name, authorization)
        entry.used = True
        return entry.actor

    def _begin(self, name: bytes, authorization: bytes) -> asyncio.Task[Actor]:
        asking = self._asking.get(name)
        if asking is None:
            digest = hashlib.sha256(secret_of(authorization)).digest()
            asking = asyncio.create_task(self._ask(name, digest))
            self._asking[name] = asking
            asking.add_done_callback(lambda task: self._asked(name, task))
        return asking

    def _asked(self, name: bytes, task: asyncio.Task[Actor]) -> None:
        self._asking.pop(name, None)
        if not task.cancelled():
            task.exception()  # a failure in the background has been dealt with

    async def fetch(self, authorization: bytes) -> Actor:
        """The actor, from the database.

        Raises:
            ChappeError: `key_missing`, `key_invalid` (401), or `database_unreachable` (503) for a
                key that isn't known.
        """
        secret_of(authorization)
        name = hashlib.sha256(authorization).digest()
        refused = self._refused.get(name)
        if refused is not None and time.monotonic() < refused:
            raise ChappeError("key_invalid", 401)
        # One client that leaves must not take the answer from the others.
        return await asyncio.shield(self._begin(name, authorization))

    async def _ask(self, name: bytes, digest: bytes) -> Actor:
        asked = time.monotonic()
        try:
            async with self._connections.transaction() as connection:
                row = await (await connection.execute(_QUERY, (digest,))).fetchone()
        except ChappeError:
            entry = self._entries.get(name)
            known = entry is not None and asked - entry.checked < self._keep
            if entry is None or not known or time.time() >= entry.expires:
                raise
            entry.doubtful = False
            return entry.actor
        if row is None:
            self._entries.pop(name, None)
            if len(self._refused) >= _MOST_REFUSED:
                self._refused.clear()
            self._refused[name] = asked + _REFUSED_SECONDS
            raise ChappeError("key_invalid", 401)
        if len(self._entries) >= _MOST_KEYS:
            self._entries.pop(next(iter(self._entries)))
        expires: datetime | None = row[7]
        self._entries[name] = _Entry(
            _actor(row), asked, expires.timestamp() if expires else float("inf")
        )
        return self._entries[name].actor

    def start(self) -> None:
        """Begin to note which keys are in use, once a minute."""
        self._noting = asyncio.create_task(self._note_for_ever())

    async def stop(self) -> None:
        """Note the last uses."""
        if self._noting is not None:
            self._noting.cancel()
            await asyncio.gather(self._noting, return_exceptions=True)
        await self._note()

    async def _note_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_USE_NOTED_SECONDS)
            await self._note()

    async def _note(self) -> None:
        used = [entry for entry in self._entries.values() if entry.used]
        if not used:
            return
        try:
            async with self._connections.transaction() as connection:
                await connection.execute(
                    "update api_key set last_used_at = %s where id = any(%s)",
                    (datetime.now(UTC), [entry.actor.key_id for entry in used]),
                )
        except ChappeError:
            return  # noted the next time
        for entry in used:
            entry.used = False


def _actor(row: tuple[Any, ...]) -> Actor:
    return Actor(
        "key",
        frozenset(row[1]),
        key_id=row[0],
        organisation_id=row[3],
        person_id=row[6],
        groups=frozenset(row[8]),
        organisation=row[4],
        level=row[2],
        weight=row[5],
    )
