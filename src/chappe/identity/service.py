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
from chappe.identity.access import SCOPES, Actor
from chappe.identity.models import ApiKey

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


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def create_key(
    session: AsyncSession,
    name: str,
    scopes: tuple[str, ...] = SCOPES,
    days: int | None = None,
) -> str:
    """Make a key and give its secret, which can't be shown again.

    Args:
        days: how long it is valid; None for ever.

    Raises:
        ChappeError: `invalid_request`, a scope isn't one.
    """
    if unknown := set(scopes) - set(SCOPES):
        reason = f"scopes: {', '.join(sorted(unknown))}; {', '.join(SCOPES)}"
        raise ChappeError("invalid_request", 422, reason=reason)
    secret = _PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiKey(
            name=name,
            prefix=secret[:8],
            digest=_digest(secret),
            scopes=list(scopes),
            expires_at=datetime.now(UTC) + timedelta(days=days) if days else None,
        )
    )
    await session.flush()
    return secret


async def list_keys(session: AsyncSession) -> list[KeyView]:
    """Every key, oldest first."""
    rows = await session.scalars(select(ApiKey).order_by(ApiKey.created_at))
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
        )
        for row in rows
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
        key = await session.scalar(
            select(ApiKey).where(
                ApiKey.digest == _digest(secret.strip()),
                ApiKey.revoked_at.is_(None),
                or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            )
        )
        if key is None:
            raise ChappeError("key_invalid", 401)
        # Once a minute is enough to know that a key is alive, and spares a write by request.
        if key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY:
            key.last_used_at = now
        return Actor("key", frozenset(key.scopes), key.id)
