"""API keys: made, listed, revoked, checked."""

import contextlib
import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity.access import SCOPES, USER_SCOPES, Actor
from chappe.identity.models import ApiKey, Organisation, Person, PersonGroupMember

_PREFIX = "chp_"
_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class KeyView:
    """A key as its owner sees it: never the secret."""

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


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


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
    """Make a key and give its secret, which can't be shown again.

    Args:
        days: how long it is valid; None for ever.
        organisation: slug of the organisation that it acts for.
        person: name of the person that it belongs to; made known if need be.
        level: sensitivity (0 to 2) of whatever is asked with it.

    Raises:
        ChappeError: `invalid_request`, a scope isn't one; `unknown_organisation`.
    """
    if unknown := set(scopes) - set(SCOPES):
        reason = f"scopes: {', '.join(sorted(unknown))}; {', '.join(SCOPES)}"
        raise ChappeError("invalid_request", 422, reason=reason)
    owner = await session.scalar(select(Organisation).where(Organisation.slug == organisation))
    if owner is None:
        raise ChappeError("unknown_organisation", 404, name=organisation)
    secret = _PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiKey(
            name=name,
            prefix=secret[:8],
            digest=_digest(secret),
            scopes=list(scopes),
            expires_at=datetime.now(UTC) + timedelta(days=days) if days else None,
            organisation_id=owner.id,
            person_id=await _person(session, owner, person) if person else None,
            level=level,
        )
    )
    await session.flush()
    return secret


async def _person(session: AsyncSession, organisation: Organisation, name: str) -> uuid.UUID:
    person = await session.scalar(
        select(Person).where(Person.organisation_id == organisation.id, Person.name == name)
    )
    if person is None:
        person = Person(organisation_id=organisation.id, name=name)
        session.add(person)
        await session.flush()
    return person.id


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
        )
        for row, slug, person in await session.execute(query)
    ]


async def revoke_keys(session: AsyncSession, reference: str) -> int:
    """Revoke the keys whose id, first characters or name is `reference`; gives their number."""
    conditions = [ApiKey.name == reference, ApiKey.prefix == reference[:8]]
    with contextlib.suppress(ValueError):
        conditions.append(ApiKey.id == uuid.UUID(reference))
    rows = await session.scalars(
        update(ApiKey)
        .where(or_(*conditions), ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
    )
    return len(rows.all())


async def authenticate(database: Database, authorization: str | None) -> Actor:
    """The actor behind an `Authorization` header.

    Raises:
        ChappeError: `key_missing` or `key_invalid` (401).
    """
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise ChappeError("key_missing", 401)
    now = datetime.now(UTC)
    async with database.session() as session:
        found = await session.execute(
            select(ApiKey, Organisation)
            .join(Organisation, Organisation.id == ApiKey.organisation_id)
            .where(
                ApiKey.digest == _digest(secret.strip()),
                ApiKey.revoked_at.is_(None),
                or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            )
        )
        row = found.one_or_none()
        if row is None:
            raise ChappeError("key_invalid", 401)
        key, organisation = row
        # Once a minute is enough to know that a key is alive, and spares a write by request.
        if key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY:
            key.last_used_at = now
        groups = await session.scalars(
            select(PersonGroupMember.group_id).where(PersonGroupMember.person_id == key.person_id)
        )
        return Actor(
            "key",
            frozenset(key.scopes),
            key_id=key.id,
            organisation_id=organisation.id,
            person_id=key.person_id,
            groups=frozenset(groups),
            organisation=organisation.slug,
            level=key.level,
            weight=organisation.weight,
        )
