"""Keys that are known cost no question, stop at once when revoked, and outlive the database."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from chappe.core.connections import Connection, Connections
from chappe.core.database import Database, migrate
from chappe.core.embedded_postgres import EmbeddedPostgres
from chappe.core.errors import ChappeError
from chappe.identity import KeyCache, cache
from chappe.identity.access import SYSTEM
from chappe.identity.keys import create_key, issue_key, revoke_key, rotate_key
from support import clean_environment

UNREACHABLE = "postgresql://nobody@127.0.0.1:1/none"


class Counted(Connections):
    """Connections that count their transactions, and can be held up."""

    def __init__(self, url: str) -> None:
        super().__init__(url, 2)
        self.count = 0
        self.most_at_once = 0
        self.at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        self.count += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            async with super().transaction() as connection:
                yield connection
                await self.gate.wait()
        finally:
            self.at_once -= 1


@pytest.fixture
async def counted(database_url: str) -> AsyncIterator[Counted]:
    connections = Counted(database_url)
    await connections.open()
    yield connections
    connections.gate.set()
    await connections.close()


def bearer(secret: str) -> bytes:
    return f"Bearer {secret}".encode()


async def new_key(database: Database, name: str = "k", days: int | None = None) -> str:
    async with database.session() as session:
        return await create_key(session, name, days=days)


async def test_a_known_key_costs_no_question(database: Database, counted: Counted) -> None:
    header = bearer(await new_key(database))
    keys = KeyCache(counted)
    assert keys.get(header) is None
    actor = await keys.fetch(header)
    for _ in range(1000):
        assert keys.get(header) is actor
    assert counted.count == 1 and actor.organisation == "default"


async def test_many_requests_ask_together_and_once(database: Database, counted: Counted) -> None:
    headers = [bearer(await new_key(database, str(number))) for number in range(5)]
    keys = KeyCache(counted)
    actors = await asyncio.gather(*(keys.fetch(headers[n % 5]) for n in range(200)))
    assert len({actor.key_id for actor in actors}) == 5
    assert counted.count <= 3 and counted.most_at_once == 1


async def test_guessing_keys_asks_one_question_at_a_time(counted: Counted) -> None:
    keys = KeyCache(counted)

    async def guess(number: int) -> str:
        with pytest.raises(ChappeError) as refused:
            await keys.fetch(bearer(f"chp_{number:043}"))
        return refused.value.code

    codes = await asyncio.gather(*(guess(number) for number in range(3000)))
    assert set(codes) == {"key_invalid"}
    assert counted.most_at_once == 1 and counted.count <= 40
    asked = counted.count
    assert await guess(7) == "key_invalid"
    assert counted.count == asked, "a refusal is remembered for a while"
    assert len(keys._refused) <= cache._MOST_REFUSED


async def test_too_many_guesses_at_once_are_put_off(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MOST_WAITING", 10)
    counted.gate.clear()
    keys = KeyCache(counted)
    asking = [asyncio.create_task(keys.fetch(bearer(f"chp_{n}"))) for n in range(30)]
    await asyncio.sleep(0.1)
    counted.gate.set()
    results = await asyncio.gather(*asking, return_exceptions=True)
    codes = [result.code for result in results if isinstance(result, ChappeError)]
    assert codes.count("too_busy") >= 10 and codes.count("key_invalid") >= 10


@pytest.mark.parametrize(
    "header", [b"", b"Bearer", b"Bearer ", b"Basic x", b"Bearer " + b"x" * 600]
)
async def test_what_is_no_key_asks_nothing(counted: Counted, header: bytes) -> None:
    keys = KeyCache(counted)
    with pytest.raises(ChappeError) as refused:
        await keys.fetch(header)
    assert refused.value.code == "key_missing" and counted.count == 0


async def test_a_revoked_key_stops_by_notification(database: Database, counted: Counted) -> None:
    keys = KeyCache(counted)
    counted.listen("chappe_identity", keys.clear)
    async with database.session() as session:
        made = await issue_key(session, SYSTEM, "k")
    header = bearer(made.secret)
    await asyncio.sleep(0.3)
    await keys.fetch(header)
    assert keys.get(header) is not None
    async with database.session() as session:
        await revoke_key(session, SYSTEM, made.id)
    for _ in range(200):
        if keys.get(header) is None:
            break
        await asyncio.sleep(0.01)
    with pytest.raises(ChappeError) as refused:
        await keys.fetch(header)
    assert refused.value.code == "key_invalid" and keys.get(header) is None


async def test_a_revoked_key_stops_without_notification(
    database: Database, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens: what is old isn't used, whatever the time since it was asked for."""
    monkeypatch.setattr(cache, "_REFRESH_SECONDS", 0.1)
    monkeypatch.setattr(cache, "_FRESH_SECONDS", 0.3)
    async with database.session() as session:
        busy, idle = await issue_key(session, SYSTEM, "a"), await issue_key(session, SYSTEM, "b")
    keys = KeyCache(counted)
    keys.start()
    try:
        for made in (busy, idle):
            await keys.fetch(bearer(made.secret))
        async with database.session() as session:
            for made in (busy, idle):
                await revoke_key(session, SYSTEM, made.id)
        for _ in range(300):
            if keys.get(bearer(busy.secret)) is None:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        for made in (busy, idle):
            assert keys.get(bearer(made.secret)) is None
            with pytest.raises(ChappeError):
                await keys.fetch(bearer(made.secret))
    finally:
        await keys.stop()


async def test_a_key_in_use_is_refreshed_without_being_waited_for(
    database: Database, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_REFRESH_SECONDS", 0.05)
    monkeypatch.setattr(cache, "_FRESH_SECONDS", 1.0)
    header = bearer(await new_key(database))
    keys = KeyCache(counted)
    keys.start()
    try:
        actor = await keys.fetch(header)
        for _ in range(300):
            assert keys.get(header) is actor
            await asyncio.sleep(0.01)
        assert counted.count > 10
    finally:
        await keys.stop()


async def test_what_changes_while_it_is_asked_for_serves_once(
    database: Database, counted: Counted
) -> None:
    """The notification overtakes the answer: the answer may be the old one."""
    header = bearer(await new_key(database))
    keys = KeyCache(counted)
    counted.gate.clear()
    asking = asyncio.create_task(keys.fetch(header))
    await asyncio.sleep(0.2)
    assert counted.at_once == 1
    keys.clear()
    counted.gate.set()
    await asking
    assert keys.get(header) is None


async def test_expiry_is_watched_here(database: Database, counted: Counted) -> None:
    header = bearer(await new_key(database, days=1))
    async with database.session() as session:
        from sqlalchemy import text

        await session.execute(text("update api_key set expires_at = now() + interval '0.5 s'"))
    keys = KeyCache(counted)
    await keys.fetch(header)
    assert keys.get(header) is not None
    await asyncio.sleep(0.6)
    assert keys.get(header) is None
    with pytest.raises(ChappeError):
        await keys.fetch(header)


async def test_both_secrets_of_a_replaced_key_work_for_a_while(
    database: Database, counted: Counted
) -> None:
    async with database.session() as session:
        made = await issue_key(session, SYSTEM, "k")
        newer = await rotate_key(session, SYSTEM, made.id, 0.5 / 3600)
    keys = KeyCache(counted)
    first, second = [await keys.fetch(bearer(s)) for s in (made.secret, newer)]
    assert first == second and first.key_id == made.id
    await asyncio.sleep(0.6)
    assert keys.get(bearer(made.secret)) is None and keys.get(bearer(newer)) is not None
    with pytest.raises(ChappeError):
        await keys.fetch(bearer(made.secret))


async def test_the_memory_of_keys_is_bounded(
    database: Database, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_MOST_KEYS", 3)
    headers = [bearer(await new_key(database, str(number))) for number in range(5)]
    keys = KeyCache(counted)
    for header in headers:
        await keys.fetch(header)
    assert [keys.get(header) is not None for header in headers] == [False, False, True, True, True]


async def test_no_secret_stays_in_memory(database: Database, counted: Counted) -> None:
    secret = await new_key(database)
    keys = KeyCache(counted)
    await keys.fetch(bearer(secret))
    with pytest.raises(ChappeError):
        await keys.fetch(bearer("chp_guess"))
    held = repr([keys._entries, keys._refused, keys._wanted, keys._asked, keys.refusals._noted])
    assert secret not in held and "chp_guess" not in held


async def test_last_use_is_noted(database: Database, counted: Counted) -> None:
    used, unused = await new_key(database, "used"), await new_key(database, "unused")
    keys = KeyCache(counted)
    await keys.fetch(bearer(used))
    await keys.stop()
    async with await psycopg.AsyncConnection.connect(counted.url) as connection:
        cursor = await connection.execute("select name from api_key where last_used_at is not null")
        assert await cursor.fetchall() == [("used",)]
    assert unused


async def test_known_keys_outlive_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_REFRESH_SECONDS", 0.2)
    monkeypatch.setattr(cache, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(cache, "_FRESH_SECONDS", 1.5)
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    postgres.start()
    migrate(postgres.url)
    database = Database(postgres.url, 2)
    connections = Connections(postgres.url, 2)
    await connections.open()
    keys = KeyCache(connections, keep_seconds=4)
    connections.listen("chappe_identity", keys.clear)
    keys.start()
    try:
        async with database.session() as session:
            busy = await issue_key(session, SYSTEM, "busy")
            idle = await issue_key(session, SYSTEM, "idle")
        for made in (busy, idle):
            await keys.fetch(bearer(made.secret))
        await database.close()
        postgres.stop()
        began = time.monotonic()
        while time.monotonic() < began + 2.5:
            assert (
                keys.get(bearer(busy.secret)) or await keys.fetch(bearer(busy.secret))
            ) is not None
            await asyncio.sleep(0.02)
        assert (keys.get(bearer(idle.secret)) or await keys.fetch(bearer(idle.secret))) is not None
        with pytest.raises(ChappeError) as unknown:
            await keys.fetch(bearer("chp_never-seen"))
        assert unknown.value.status == 503
        # Longer than they are kept, nothing goes.
        await asyncio.sleep(max(0.0, began + 4.5 - time.monotonic()))
        with pytest.raises(ChappeError) as known:
            await keys.fetch(bearer(busy.secret))
        assert known.value.status == 503

        postgres.start()
        for _ in range(300):
            with contextlib.suppress(ChappeError):
                await keys.fetch(bearer(busy.secret))
            if keys.get(bearer(busy.secret)) is not None:
                break
            await asyncio.sleep(0.1)
        assert keys.get(bearer(busy.secret)) is not None
        with pytest.raises(ChappeError) as guessed:
            await keys.fetch(bearer("chp_never-seen"))
        assert guessed.value.status == 401
    finally:
        await keys.stop()
        await connections.close()
        postgres.stop()


async def test_a_database_that_hangs_is_away_too(
    database: Database, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_REFRESH_SECONDS", 0.1)
    monkeypatch.setattr(cache, "_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(cache, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(cache, "_FRESH_SECONDS", 1.0)
    header, other = bearer(await new_key(database)), bearer(await new_key(database, "other"))
    keys = KeyCache(counted)
    keys.start()
    try:
        actor = await keys.fetch(header)
        counted.gate.clear()
        for _ in range(200):
            assert (keys.get(header) or await keys.fetch(header)) is actor
            await asyncio.sleep(0.01)
        with pytest.raises(ChappeError) as unknown:
            await keys.fetch(other)
        assert unknown.value.status == 503
        counted.gate.set()
        for _ in range(100):
            if not keys._away:
                break
            await asyncio.sleep(0.02)
        assert await keys.fetch(other)
        assert (keys.get(header) or await keys.fetch(header)) is actor
    finally:
        await keys.stop()


async def test_a_database_that_never_was_answers_503() -> None:
    connections = Connections(UNREACHABLE, 1)
    await connections.open()
    keys = KeyCache(connections)
    with pytest.raises(ChappeError) as refused:
        await keys.fetch(bearer("chp_x"))
    assert refused.value.status == 503
    await connections.close()


def test_the_gateway_loads_keys_without_heavy_libraries() -> None:
    code = (
        "import sys; from chappe.identity import Actor, KeyCache;"
        "import chappe.identity.audit, chappe.identity.refusals;"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'sqlalchemy', 'fastapi', 'pydantic', 'alembic', 'starlette'}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment()
    )
    assert result.stdout.strip() == "[]", result.stderr
