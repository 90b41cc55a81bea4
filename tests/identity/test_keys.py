"""API keys: the secret is never kept, and a revoked or expired key opens nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from chappe.core.database import Database
from chappe.core.errors import ChappeError
from chappe.identity import require
from chappe.identity.keys import authenticate, create_key, list_keys, revoke_keys


async def test_a_key_opens_what_it_is_for(database: Database) -> None:
    async with database.session() as session:
        secret = await create_key(session, "page", ("search",))
    actor = await authenticate(database, f"Bearer {secret}")
    require(actor, "search")
    with pytest.raises(ChappeError) as refused:
        require(actor, "models")
    assert refused.value.status == 403


async def test_the_secret_is_nowhere_in_the_database(database: Database) -> None:
    async with database.session() as session:
        secret = await create_key(session, "x")
        rows = (await session.execute(text("select k::text from api_key k"))).scalars().all()
    assert all(secret not in row for row in rows)


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer chp_nothing"])
async def test_what_is_no_key_is_refused(database: Database, header: str | None) -> None:
    with pytest.raises(ChappeError) as refused:
        await authenticate(database, header)
    assert refused.value.status == 401


async def test_revoked_and_expired(database: Database) -> None:
    async with database.session() as session:
        first = await create_key(session, "one")
        second = await create_key(session, "two", days=1)
        assert await revoke_keys(session, "one") == 1
        assert await revoke_keys(session, "one") == 0
        await session.execute(
            text("update api_key set expires_at = :past where name = 'two'"),
            {"past": datetime.now(UTC) - timedelta(seconds=1)},
        )
    for secret in (first, second):
        with pytest.raises(ChappeError):
            await authenticate(database, f"Bearer {secret}")
    async with database.session() as session:
        assert [view.name for view in await list_keys(session)] == ["one", "two"]


async def test_an_unknown_scope_is_refused(database: Database) -> None:
    with pytest.raises(ChappeError):
        async with database.session() as session:
            await create_key(session, "x", ("everything",))
