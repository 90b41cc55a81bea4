"""The audit log can't be changed without showing it."""

import asyncio

import psycopg
import pytest

from chappe.core.connections import Connections
from chappe.identity import SYSTEM
from chappe.identity.audit import Verdict, entries, record, verify
from chappe.identity.refusals import record_refusal


async def write(url: str, count: int) -> None:
    connections = Connections(url, 8)
    await connections.open()

    async def one(number: int) -> None:
        async with connections.transaction() as connection:
            await record(connection, SYSTEM, "thing.do", f"thing {number}", {"n": number * 0.1})

    await asyncio.gather(*(one(number) for number in range(count)))
    await connections.close()


async def check(url: str, anchor: tuple[int, str] | None = None) -> Verdict:
    connections = Connections(url, 1)
    await connections.open()
    async with connections.transaction() as connection:
        verdict = await verify(connection, anchor)
    await connections.close()
    return verdict


async def tamper(url: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("alter table audit_entry disable trigger all")
        await connection.execute(statement)


async def test_many_writers_make_one_chain(database_url: str) -> None:
    await write(database_url, 40)
    verdict = await check(database_url)
    assert verdict.entries == 40 and verdict.broken_at is None


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_entry set action = 'thing.undo' where sequence = 5",
        "update audit_entry set detail = '{}' where sequence = 5",
        "update audit_entry set at = at + interval '1 s' where sequence = 5",
        "update audit_entry set hash = decode(repeat('00', 32), 'hex') where sequence = 5",
        "delete from audit_entry where sequence = 5",
    ],
)
async def test_a_change_is_found_where_it_is(database_url: str, statement: str) -> None:
    await write(database_url, 8)
    await tamper(database_url, statement)
    verdict = await check(database_url)
    assert verdict.broken_at == 5


async def test_a_cut_end_is_found_by_whoever_kept_an_anchor(database_url: str) -> None:
    await write(database_url, 8)
    whole = await check(database_url)
    await tamper(database_url, "delete from audit_entry where sequence > 6")
    assert (await check(database_url)).broken_at is None
    assert (await check(database_url, (8, whole.last))).broken_at == 7
    assert (await check(database_url, (6, whole.last))).broken_at == 6


async def test_nobody_changes_it_by_the_ordinary_way(database_url: str) -> None:
    await write(database_url, 1)
    for statement in ("delete from audit_entry", "update audit_entry set actor = 'x'",
                      "truncate audit_entry"):  # fmt: skip
        with pytest.raises(psycopg.errors.RaiseException):
            async with await psycopg.AsyncConnection.connect(database_url) as connection:
                await connection.execute(statement)


async def test_the_same_refusal_again_and_again_is_one_entry_a_minute(database_url: str) -> None:
    connections = Connections(database_url, 2)
    await connections.open()
    for _ in range(20):
        await record_refusal(connections, SYSTEM, "limit.set", "x", "scope operate missing")
    async with connections.transaction() as connection:
        found = await entries(connection)
    await connections.close()
    assert 1 <= len(found) <= 2
    assert found[0].outcome == "refused"
