"""Accounts that were set aside go in again, each once."""

import asyncio
import json
from pathlib import Path

import psycopg
import pytest

import support
from accounts_support import connected, new_account, query, totals
from chappe.core.connections import Connections
from chappe.core.errors import ChappeError
from chappe.gateway.accounts import Account
from chappe.gateway.accounts.aside import Aside
from chappe.gateway.accounts.records import encode
from chappe.gateway.accounts.retry import retry
from chappe.gateway.accounts.writer import write_each

REFUSED = "alter table request_account add constraint strict check (tokens_in < 100) not valid"
MENDED = "alter table request_account drop constraint strict"


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)


def settled(tokens: int) -> Account:
    account = new_account()
    account.outcome, account.tokens_in = "completed", tokens
    return account


async def set_aside(url: str, root: Path, tokens: list[int]) -> list[bytes]:
    """Accounts that a constraint, gone afterwards, kept out; a good one was stored."""
    root.mkdir(parents=True)  # noqa: ASYNC240
    rows = [encode(settled(count)) for count in tokens]
    execute(url, REFUSED)
    async with connected(url) as connections:
        stored = await write_each(connections, [encode(settled(1)), *rows], Aside(root))
    assert stored == 1
    execute(url, MENDED)
    return rows


def entries(root: Path) -> list[int]:
    """The tokens read of each account in the file."""
    lines = (root / "set-aside.jsonl").read_text().splitlines()
    return [json.loads(line)["account"][17] for line in lines]


async def test_what_can_be_stored_now_is_and_the_rest_stays(
    database_url: str, tmp_path: Path
) -> None:
    root = tmp_path / "journal"
    await set_aside(database_url, root, [500, 2**70, 600])
    with (root / "set-aside.jsonl").open("a") as file:
        file.write('{"at": "20\n')
    async with connected(database_url) as connections:
        done = await retry(connections, root)
        assert (done.stored, done.kept) == (2, 2)
        assert totals(database_url)[0] == 3
        lines = (root / "set-aside.jsonl").read_text().splitlines()
        assert [str(2**70) in lines[0], lines[1]] == [True, '{"at": "20']
        again = await retry(connections, root)
        assert (again.stored, again.kept) == (0, 2)
    assert totals(database_url)[0] == 3
    sums = query(database_url, "select sum(requests), sum(tokens_in) from usage_hour")
    assert sums == [(3, 1101)]


async def test_a_retry_that_was_killed_is_gone_on_with(database_url: str, tmp_path: Path) -> None:
    root = tmp_path / "journal"
    rows = await set_aside(database_url, root, [500, 600])
    aside = Aside(root)
    assert aside.take()
    async with connected(database_url) as connections:
        assert await write_each(connections, rows[:1], aside) == 1
        aside.put(encode(settled(700)), "came meanwhile")
        done = await retry(connections, root)
    assert (done.stored, done.kept) == (3, 0)
    assert not aside.path.exists() and not aside.retrying.exists()
    sums = query(database_url, "select sum(requests), sum(tokens_in) from usage_hour")
    assert sums == [(4, 1801)]


async def test_without_the_database_nothing_is_lost(database_url: str, tmp_path: Path) -> None:
    root = tmp_path / "journal"
    await set_aside(database_url, root, [500])
    away = Connections(f"postgresql://nobody@127.0.0.1:{support.free_port()}/x", 1)
    await away.open()
    with pytest.raises(ChappeError):
        await retry(away, root)
    await away.close()
    async with connected(database_url) as connections:
        assert (await retry(connections, root)).stored == 1


async def test_what_is_set_aside_during_retries_is_neither_lost_nor_doubled(
    database_url: str, tmp_path: Path
) -> None:
    root = tmp_path / "journal"
    root.mkdir()
    aside = Aside(root)

    def put(number: int) -> None:
        for count in range(40):
            aside.put(encode(settled(number * 100 + count)), "now and then")

    async with connected(database_url) as connections:
        putting = [asyncio.to_thread(put, number) for number in range(4)]
        trying = [retry(connections, root) for _ in range(5)]

        async def one_after_the_other() -> None:
            for each in trying:
                await each

        await asyncio.gather(*putting, one_after_the_other())
        await retry(connections, root)
    assert query(database_url, "select sum(requests) from usage_hour") == [(160,)]
    assert totals(database_url)[0] == 160
    assert not aside.path.exists()


async def test_by_command(database_url: str, tmp_path: Path) -> None:
    root = tmp_path / "data" / "journal"
    await set_aside(database_url, root, [500, 2**70])

    def command() -> tuple[int, str]:
        done = support.chappe("usage", "retry", data_dir=tmp_path, CHAPPE_DATABASE_URL=database_url)
        return done.returncode, done.stdout

    first = await asyncio.to_thread(command)
    assert first == (1, "1 accounts stored, 1 still set aside\n")
    assert entries(root) == [2**70]
    (root / "set-aside.jsonl").unlink()
    assert await asyncio.to_thread(command) == (0, "0 accounts stored, 0 still set aside\n")
