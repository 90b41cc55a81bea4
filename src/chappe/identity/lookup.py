"""For whom a key acts, as the database has it now: the one place that says when a key is valid."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chappe.core.connections import Connection
from chappe.core.errors import ChappeError
from chappe.identity.access import Actor

_MOST_SECRET_BYTES = 512

# `least` passes over what is null: a key that is neither revoked nor limited in time has no end.
_ACTOR = """
    k.id, k.scopes, k.level, k.organisation_id, o.slug, o.weight, k.person_id,
    array(select m.group_id from person_group_member m where m.person_id = k.person_id order by 1)
"""
_BY_ID = f"""
    select {_ACTOR}, extract(epoch from least(k.revoked_at, k.expires_at) - now())::float8
    from api_key k join organisation o on o.id = k.organisation_id
    where k.id = %s
"""  # noqa: S608
_BY_DIGEST = f"""
    select {_ACTOR},
        extract(epoch from least(k.revoked_at, k.expires_at,
            case when k.previous_digest = asked.digest then k.previous_expires_at end) - now()
        )::float8,
        asked.digest
    from unnest(%s::bytea[]) as asked(digest)
    join api_key k on k.digest = asked.digest or k.previous_digest = asked.digest
    join organisation o on o.id = k.organisation_id
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Found:
    """A key that exists.

    Attributes:
        seconds: how long it is still valid; infinite for ever, 0 or less when it is over.
    """

    actor: Actor
    seconds: float

    @property
    def valid(self) -> bool:
        """May it be used."""
        return self.seconds > 0


def secret_of(authorization: bytes) -> bytes:
    """The secret inside an `Authorization` header.

    Raises:
        ChappeError: `key_missing` (401).
    """
    scheme, _, secret = authorization.partition(b" ")
    secret = secret.strip()
    if scheme.lower() != b"bearer" or not secret or len(secret) > _MOST_SECRET_BYTES:
        raise ChappeError("key_missing", 401)
    return secret


def digest_of(secret: bytes) -> bytes:
    """What is kept of a secret: it is 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(secret).digest()


async def find_keys(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, Found]:
    """The keys with these digests, valid or not; those that don't exist are left out."""
    rows = await (await connection.execute(_BY_DIGEST, (list(digests),))).fetchall()
    return {bytes(row[9]): _found(row) for row in rows}


async def actor_of_key(connection: Connection, key_id: uuid.UUID) -> Actor | None:
    """The actor of a key; None when it isn't valid any more."""
    row = await (await connection.execute(_BY_ID, (key_id,))).fetchone()
    found = _found(row) if row is not None else None
    return found.actor if found is not None and found.valid else None


def _found(row: tuple[Any, ...]) -> Found:
    actor = Actor(
        "key",
        frozenset(row[1]),
        key_id=row[0],
        organisation_id=row[3],
        person_id=row[6],
        groups=frozenset(row[7]),
        organisation=row[4],
        level=row[2],
        weight=row[5],
    )
    return Found(actor, float("inf") if row[8] is None else row[8])
