"""API keys: made, listed, replaced, revoked, checked; each change is in the audit log.

Who may: with `operate`, all. With `manage`, the keys of one's own organisation that open no more
than an administrator of an organisation may hand on; nothing of another organisation can be told
from what doesn't exist.
"""

import contextlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.connections import Connection
from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.core.invalid import at, wrong
from chappe.identity.access import (
    SCOPES,
    SYSTEM,
    USER_SCOPES,
    Actor,
    administered,
    may_hand_on,
    may_revoke,
)
from chappe.identity.audit import connection_of, hold, record_in
from chappe.identity.lookup import digest_of, find_keys, secret_of
from chappe.identity.models import ApiKey, Organisation, Person
from chappe.identity.refusals import Refusals, note_key
from chappe.identity.versions import version_of

_PREFIX = "chp_"
_SHOWN = 8
_SECRET_BYTES = 32
_USE_NOTED_EVERY = timedelta(minutes=1)
MOST_HOURS = 24 * 90
"""How long, at most, a replaced secret goes on working."""


@dataclass(frozen=True)
class KeyView:
    """A key as its owner sees it: never the secret.

    Attributes:
        prefix: first characters of the secret, to tell keys apart.
        level: sensitivity (0 open, 1 internal, 2 restricted) of whatever is asked with it.
        previous_until: until when the secret that it had before works too.
        etag: its version; what it is used for isn't part of it.
    """

    id: uuid.UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    organisation: str
    person: str | None
    level: int
    previous_until: datetime | None
    etag: str


@dataclass(frozen=True)
class NewKey:
    """A key and its secret, which can't be shown again."""

    id: uuid.UUID
    secret: str


async def create_key(
    session: AsyncSession,
    name: str,
    scopes: tuple[str, ...] = USER_SCOPES,
    days: int | None = None,
    *,
    organisation: str = "default",
    person: str | None = None,
    level: int = 0,
) -> str:
    """Make a key, as the installation itself, and give its secret; see :func:`issue_key`."""
    made = await issue_key(
        session,
        SYSTEM,
        name,
        scopes,
        days,
        organisation=organisation,
        person=person,
        level=level,
    )
    return made.secret


async def issue_key(
    session: AsyncSession,
    actor: Actor,
    name: str,
    scopes: tuple[str, ...] = USER_SCOPES,
    days: int | None = None,
    *,
    organisation: str = "default",
    person: str | None = None,
    level: int = 0,
) -> NewKey:
    """Make a key.

    Args:
        days: how long it is valid; None for ever.
        organisation: slug of the organisation that it acts for.
        person: name of the person that it belongs to; made known if need be.
        level: sensitivity (0 to 2) of whatever is asked with it; at least the actor's own.

    Raises:
        ChappeError: `invalid_request`, a scope isn't one; `unknown_organisation`, also for one that
            the actor doesn't administer; `scope_missing`, for a right that it may not hand on.
    """
    if unknown := set(scopes) - set(SCOPES):
        told = wrong("subject", value=", ".join(sorted(unknown)), expected=", ".join(SCOPES))
        reason = at("scopes", told)
        raise ChappeError("invalid_request", 422, reason=reason)
    own = administered(actor)
    await hold(await connection_of(session))
    owner = await session.scalar(select(Organisation).where(Organisation.slug == organisation))
    if owner is None or own not in (None, owner.id):
        raise ChappeError("unknown_organisation", 404, name=organisation)
    if own is not None:
        may_hand_on(scopes)
    if level < actor.level:
        raise ChappeError(
            "invalid_request", 422, reason=at("level", wrong("greater_than_equal", ge=actor.level))
        )
    secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey(
        name=name,
        prefix=secret[:_SHOWN],
        digest=digest_of(secret.encode()),
        scopes=list(scopes),
        expires_at=datetime.now(UTC) + timedelta(days=days) if days else None,
        organisation_id=owner.id,
        person_id=await _person(session, owner, person) if person else None,
        level=level,
    )
    session.add(key)
    await session.flush()
    detail = {
        "name": name, "scopes": list(scopes), "days": days, "organisation": organisation,
        "person": person, "level": level,
    }  # fmt: skip
    await record_in(session, actor, "key.create", str(key.id), detail, organisation_id=owner.id)
    return NewKey(key.id, secret)


async def rotate_key(
    session: AsyncSession, actor: Actor, key_id: uuid.UUID, hours: float = 24
) -> str:
    """Give a key a new secret; the one that it has works for some hours more.

    Its limits, grants and accounts stay. Of two replacements in a row, only the last secret but
    one goes on working.

    Raises:
        ChappeError: `unknown_object`, `scope_missing`, as :func:`revoke_key`; `invalid_request`.
    """
    if not 0 <= hours <= MOST_HOURS:
        reason = at("hours", wrong("less_than_equal", le=MOST_HOURS))
        raise ChappeError("invalid_request", 422, reason=reason)
    key = await _changeable(session, actor, key_id)
    secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    until = datetime.now(UTC) + timedelta(hours=hours) if hours else None
    key.previous_digest = key.digest if until else None
    key.previous_expires_at = until
    key.digest = digest_of(secret.encode())
    key.prefix = secret[:_SHOWN]
    await session.flush()
    await record_in(
        session, actor, "key.rotate", str(key.id), {"name": key.name, "hours": hours},
        organisation_id=key.organisation_id,
    )  # fmt: skip
    return secret


async def revoke_key(session: AsyncSession, actor: Actor, key_id: uuid.UUID) -> None:
    """Revoke a key, at once and for good.

    Raises:
        ChappeError: `unknown_object`, there is no such key that isn't revoked, or it is another
            organisation's; `scope_missing`, it opens more than the actor administers.
    """
    key = await _changeable(session, actor, key_id)
    key.revoked_at = datetime.now(UTC)
    await session.flush()
    await record_in(
        session, actor, "key.revoke", str(key.id), {"name": key.name},
        organisation_id=key.organisation_id,
    )  # fmt: skip


async def revoke_keys(session: AsyncSession, reference: str, actor: Actor = SYSTEM) -> int:
    """Revoke the keys whose id, first characters or name is `reference`; gives their number."""
    found = await matching_keys(session, reference)
    for key_id in found:
        await revoke_key(session, actor, key_id)
    return len(found)


async def matching_keys(session: AsyncSession, reference: str) -> list[uuid.UUID]:
    """The keys that aren't revoked and whose id, first characters or name is `reference`."""
    conditions = [ApiKey.name == reference, ApiKey.prefix == reference[:_SHOWN]]
    with contextlib.suppress(ValueError):
        conditions.append(ApiKey.id == uuid.UUID(reference))
    query = select(ApiKey.id).where(or_(*conditions), ApiKey.revoked_at.is_(None))
    return list(await session.scalars(query.order_by(ApiKey.created_at, ApiKey.id)))


async def list_keys(
    session: AsyncSession, organisation_id: uuid.UUID | None = None
) -> list[KeyView]:
    """Every key, oldest first; of one organisation if it is given."""
    query = (
        select(ApiKey, Organisation.slug, Person.name)
        .join(Organisation, Organisation.id == ApiKey.organisation_id)
        .outerjoin(Person, Person.id == ApiKey.person_id)
        .order_by(ApiKey.created_at)
    )
    if organisation_id is not None:
        query = query.where(ApiKey.organisation_id == organisation_id)
    return [
        KeyView(
            row.id,
            row.name,
            row.prefix,
            tuple(row.scopes),
            row.created_at,
            row.expires_at,
            row.last_used_at,
            row.revoked_at,
            slug,
            person,
            row.level,
            row.previous_expires_at,
            version_of({"prefix": row.prefix, "revoked": row.revoked_at, "name": row.name}),
        )
        for row, slug, person in await session.execute(query)
    ]


async def key_versions(
    session: AsyncSession, actor: Actor, _connection: Connection
) -> dict[str, str]:
    """Versions of the keys that an actor administers, by identifier."""
    return {str(view.id): view.etag for view in await list_keys(session, administered(actor))}


async def authenticate(
    database: Database, authorization: str | None, refusals: Refusals | None = None
) -> Actor:
    """The actor behind an `Authorization` header, asked of the database each time.

    Args:
        refusals: where a key that is refused is noted.

    Raises:
        ChappeError: `key_missing` or `key_invalid` (401).
    """
    secret = secret_of((authorization or "").encode("utf-8", "replace"))
    digest = digest_of(secret)
    async with database.session() as session:
        connection = await connection_of(session)
        found = (await find_keys(connection, [digest])).get(digest)
        if found is not None and found.valid:
            await connection.execute(
                "update api_key set last_used_at = now() where id = %s"
                " and (last_used_at is null or last_used_at < now() - %s)",
                (found.actor.key_id, _USE_NOTED_EVERY),
            )
            return found.actor
    if refusals is not None:
        note_key(refusals, found)
    raise ChappeError("key_invalid", 401)


async def _changeable(session: AsyncSession, actor: Actor, key_id: uuid.UUID) -> ApiKey:
    own = administered(actor)
    await hold(await connection_of(session))
    query = select(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    key = await session.scalar(query.with_for_update())
    if key is None or own not in (None, key.organisation_id):
        raise ChappeError("unknown_object", 404, kind="key", name=str(key_id))
    may_revoke(actor, key.scopes, key.level)
    return key


async def _person(session: AsyncSession, organisation: Organisation, name: str) -> uuid.UUID:
    person = await session.scalar(
        select(Person).where(Person.organisation_id == organisation.id, Person.name == name)
    )
    if person is None:
        person = Person(organisation_id=organisation.id, name=name)
        session.add(person)
        await session.flush()
    return person.id
