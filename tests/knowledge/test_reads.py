"""Statements that only read: a dead connection is replaced, a cancelled one isn't used again."""

import asyncio

import psycopg
import pytest

from chappe.core.errors import ChappeError
from chappe.knowledge.reads import Reads


async def test_rows_have_their_columns_as_attributes(database_url: str) -> None:
    reads = Reads(database_url)
    rows = await reads("select n, n::text as name from unnest(%(ids)s::int[]) n", ids=[1, 2])
    assert [(row.n, row.name) for row in rows] == [(1, "1"), (2, "2")]
    await reads.close()


async def test_connections_that_the_server_ended_are_replaced(database_url: str) -> None:
    reads = Reads(database_url)
    await asyncio.gather(*[reads("select pg_sleep(0.1)") for _ in range(3)])
    with psycopg.connect(database_url, autocommit=True) as other:
        ended = other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchall()
    assert len(ended) == 3
    for _ in range(3):
        assert (await reads("select 1 as one"))[0].one == 1
    await reads.close()


async def test_no_answer_of_a_cancelled_statement_reaches_another(database_url: str) -> None:
    reads = Reads(database_url, 1)
    await reads("select 1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reads("select 2 as n from pg_sleep(30)")
    async with asyncio.timeout(5):
        assert [row.n for row in await reads("select 3 as n")] == [3]
    await reads.close()


async def test_a_wrong_statement_is_told_and_leaves_the_others_alone(database_url: str) -> None:
    reads = Reads(database_url, 1)
    with pytest.raises(psycopg.errors.UndefinedColumn):
        await reads("select nothing")
    assert (await reads("select 1 as one"))[0].one == 1
    await reads.close()


async def test_a_database_that_is_away_is_told() -> None:
    with pytest.raises(ChappeError) as refused:
        await Reads("postgresql://nobody@127.0.0.1:1/nothing")("select 1")
    assert refused.value.code == "database_unreachable"
