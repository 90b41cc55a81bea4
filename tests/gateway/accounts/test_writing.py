"""Writing into a real database: exactly once, through its absence, beside rows it can't store."""

import asyncio
import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from accounts_support import connected, new_account, query, random_account, running, totals
from chappe.core import telemetry
from chappe.core.connections import Connections
from chappe.core.database import migrate
from chappe.core.embedded_postgres import EmbeddedPostgres
from chappe.gateway.accounts import Account, Accounts
from chappe.gateway.accounts.aside import Aside
from chappe.gateway.accounts.folder import journals
from chappe.gateway.accounts.journal import Journal
from chappe.gateway.accounts.records import encode
from chappe.gateway.accounts.rows import write
from chappe.gateway.accounts.takeover import take_over


async def until_written(accounts: Accounts, count: int) -> None:
    """Wait until so many are in the database."""
    async with asyncio.timeout(60):
        while accounts.written < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def dead_journal(folder: Path, accounts: list[Account], replica: uuid.UUID | None = None) -> None:
    """A journal that a process left: every second account was settled."""
    journal = Journal(folder / "journal" / str(replica or uuid.uuid4()), 1 << 24)
    for number, account in enumerate(accounts):
        journal.opened(account)
        if number % 2:
            account.outcome = "completed"
            journal.settled(account)
    journal.close()


async def test_an_account_has_all_that_is_known(database_url: str, tmp_path: Path) -> None:
    account = new_account(
        key_id=uuid.uuid4(), person_id=uuid.uuid4(), organisation_id=uuid.uuid4(), streamed=True
    )
    account.trace_id = account.id
    async with running(database_url, tmp_path) as accounts:
        accounts.open(account)
        account.endpoint, account.site = "gpu-1", "rennes"
        account.first_token()
        account.content()
        account.usage(12, 34, 5)
        account.content()
        account.sound(1.5)
        account.queue_ms, account.duration_ms, account.overhead_ms = 1.0, 100.0, 0.25
        account.energy_wh, account.attempts = 0.5, 2
        accounts.settle(account, "failed", "broken\0 \ud800" + "x" * 400, 502)
        accounts.settle(account, "completed", None, 200)  # once only
        assert accounts.lag()[0] == 1
    names = (
        "id, started_at, key_id, person_id, organisation_id, endpoint, site, streamed, outcome,"
        " status, attempts, tokens_in, tokens_cached, tokens_out, tokens_origin, audio_seconds,"
        " energy_wh, queue_ms, duration_ms, overhead_ms, trace_id, ttft_ms >= 0, left(error, 9)"
    )
    assert query(database_url, f"select {names} from request_account") == [
        (
            uuid.UUID(account.id), account.started_at, account.key_id, account.person_id,
            account.organisation_id, "gpu-1", "rennes", True, "failed", 502, 2, 12, 5, 34, "engine",
            1.5, 0.5, 1.0, 100.0, 0.25, account.trace_id, True, "broken ?x",
        )
    ]  # fmt: skip
    assert query(
        database_url,
        "select requests, tokens_in, tokens_cached, tokens_out, outcome from usage_hour",
    ) == [(1, 12, 5, 34, "failed")]


async def test_the_database_goes_away_for_a_while(tmp_path: Path) -> None:
    """Nothing is refused, nothing is lost, all is written in the end."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    migrate(server.url)
    chance = random.Random(1)
    try:
        async with running(server.url, tmp_path) as accounts:
            for number in range(6000):
                if number == 1000:
                    await until_written(accounts, 1000)
                    server.stop()
                account = random_account(chance)
                accounts.open(account)
                accounts.settle(account, "completed", None, 200)
                if number % 500 == 0:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(1.5)  # it tries, and fails
            assert accounts.written == 1000
            waiting, age = accounts.lag()
            assert waiting == 5000 and age > 1
            server.start()
            await until_written(accounts, 6000)
            assert accounts.lag() == (0, 0.0)
        assert totals(server.url)[0] == 6000
    finally:
        server.stop()


async def test_a_stop_without_database_leaves_all_to_the_next_start(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    migrate(server.url)
    try:
        async with running(server.url, tmp_path) as accounts:
            server.stop()
            for number in range(10):
                account = new_account()
                accounts.open(account)
                if number % 2:
                    accounts.settle(account, "completed")
        # Started before the database is there.
        async with running(server.url, tmp_path) as accounts:
            server.start()
            async with asyncio.timeout(60):
                while len(list(journals(tmp_path / "journal"))) > 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert accounts.set_aside == 0
        rows = query(server.url, "select outcome, count(*) from request_account group by 1")
        assert sorted(rows) == [("completed", 5), ("interrupted", 5)]
        assert list((tmp_path / "journal").iterdir()) == []
    finally:
        server.stop()


async def test_a_row_that_cannot_be_stored_keeps_no_other_out(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as accounts:
        for number in range(1200):
            account = new_account()
            accounts.open(account)
            if number in (3, 700):
                account.tokens_in = -1 if number == 3 else 2**70
            accounts.settle(account, "completed")
        await until_written(accounts, 1198)
        assert accounts.set_aside == 2
        assert telemetry.REGISTRY.get_sample_value("chappe_accounts_set_aside_total") == 2
        assert telemetry.REGISTRY.get_sample_value("chappe_accounts_written_total") == 1198
        assert accounts.lag()[0] == 0
    assert totals(database_url)[0] == 1198
    lines = (tmp_path / "journal" / "set-aside.jsonl").read_text().splitlines()
    assert [json.loads(line)["account"][17] for line in lines] == [-1, 2**70]


async def test_a_schema_that_is_not_there_sets_nothing_aside(
    database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table usage_hour rename to usage_hidden")
    async with running(database_url, tmp_path) as accounts:
        account = new_account()
        accounts.open(account)
        accounts.settle(account, "completed")
        await asyncio.sleep(1)
        assert (accounts.written, accounts.set_aside, accounts.lag()[0]) == (0, 0, 1)
        with psycopg.connect(database_url) as connection:
            connection.execute("alter table usage_hidden rename to usage_hour")
        await until_written(accounts, 1)
    assert totals(database_url)[0] == 1


async def test_written_again_it_counts_once(database_url: str) -> None:
    """A commit whose answer got lost: the batch is sent again, with more."""
    chance = random.Random(2)
    rows = []
    for _ in range(300):
        account = random_account(chance)
        account.outcome = "completed"
        rows.append(encode(account))
    async with connected(database_url) as connections:
        await write(connections, rows[:200])
        await write(connections, rows)
        await write(connections, rows[100:])
    assert totals(database_url)[0] == 300


async def test_two_takers_of_the_same_journals(database_url: str, tmp_path: Path) -> None:
    everything = []
    for _ in range(6):
        accounts = [new_account() for _ in range(400)]
        everything += accounts
        dead_journal(tmp_path, accounts)
    async with connected(database_url) as one, connected(database_url) as other:
        taken = await asyncio.gather(
            *(
                take_over(connections, tmp_path / "journal", Aside(tmp_path))
                for connections in (one, other, one)
            )
        )
    assert sum(len(t.replicas) for t in taken) == 6
    assert sum(t.settled for t in taken) == sum(t.interrupted for t in taken) == 1200
    ids = {row[0] for row in query(database_url, "select id from request_account")}
    assert ids == {uuid.UUID(account.id) for account in everything}
    assert totals(database_url)[0] == 2400
    assert list((tmp_path / "journal").iterdir()) == []


async def test_the_living_are_left_alone_and_the_dead_give_their_leases_back(
    database_url: str, tmp_path: Path
) -> None:
    dead, alive = uuid.uuid4(), uuid.uuid4()
    with psycopg.connect(database_url) as connection:
        for replica in (dead, alive):
            connection.execute("insert into gateway_replica (id) values (%s)", (replica,))
    dead_journal(tmp_path, [new_account()], dead)
    async with running(database_url, tmp_path, alive) as accounts:
        account = new_account()
        accounts.open(account)
        async with asyncio.timeout(20):
            while accounts.interrupted < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert query(database_url, "select id from gateway_replica") == [(alive,)]
        accounts.settle(account, "completed")
    rows = query(database_url, "select outcome from request_account order by outcome")
    assert rows == [("completed",), ("interrupted",)]


async def test_a_takeover_that_is_cut_is_done_by_the_next(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.start()
    migrate(server.url)
    dead_journal(tmp_path, [new_account() for _ in range(4000)])
    try:
        async with connected(server.url) as connections:
            task = asyncio.create_task(
                take_over(connections, tmp_path / "journal", Aside(tmp_path))
            )
            async with asyncio.timeout(30):
                while not query(server.url, "select 1 from request_account limit 1"):
                    assert not task.done()
                    await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await take_over(connections, tmp_path / "journal", Aside(tmp_path))
        assert totals(server.url)[0] == 4000
    finally:
        server.stop()


async def test_a_journal_of_another_version_stays(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    replica = uuid.uuid4()
    dead_journal(tmp_path, [new_account()], replica)
    (segment,) = (tmp_path / "journal" / str(replica)).glob("*.segment")
    segment.write_bytes(b"chappe\x00\x63" + segment.read_bytes()[8:])
    async with connected(database_url) as connections:
        taken = await take_over(connections, tmp_path / "journal", Aside(tmp_path))
    assert taken.replicas == [] and segment.exists()
    assert "journal_of_another_version" in caplog.text


async def test_requests_at_the_border_of_months_and_hours(
    database_url: str, tmp_path: Path
) -> None:
    """Each lies in its own partition and hour, whenever it is written."""
    border = datetime(2026, 12, 1, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    moments = [border - tick, border, border + timedelta(days=31) - tick, border + tick]
    rows = []
    for moment in moments:
        account = new_account(started_at=moment)
        account.outcome = "completed"
        rows.append(encode(account))
    async with connected(database_url) as connections:
        await write(connections, rows)
    found = query(
        database_url,
        "select hour, requests from usage_hour order by hour",
    )
    assert found == [
        (border - timedelta(hours=1), 1),
        (border, 2),
        (border + timedelta(days=31) - timedelta(hours=1), 1),
    ]
    assert totals(database_url)[0] == 4


async def test_accounts_that_are_not_started_admit_nothing(tmp_path: Path) -> None:
    from chappe.core.errors import ChappeError

    accounts = Accounts(Connections("postgresql://"), tmp_path, uuid.uuid4(), max_bytes=1 << 24)
    account = new_account()
    with pytest.raises(ChappeError):
        accounts.open(account)
    accounts.settle(account, "completed")
    assert account.outcome == ""


async def test_a_journal_forced_to_the_disk(database_url: str, tmp_path: Path) -> None:
    async with connected(database_url) as connections:
        accounts = Accounts(connections, tmp_path, uuid.uuid4(), 1 << 24, synchronise_seconds=0.01)
        await accounts.start()
        for _ in range(200):
            account = new_account()
            accounts.open(account)
            accounts.settle(account, "completed")
            await asyncio.sleep(0.001)
        await accounts.stop()
    assert totals(database_url)[0] == 200
