"""The audit log can't be changed without showing it."""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.core.connections import Connections
from chappe.identity import SYSTEM, Actor
from chappe.identity.audit import Verdict, entries, hold, record, verify
from chappe.identity.refusals import UNKNOWN, Refusals, record_refusal


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connections]:
    connections = Connections(url, 8)
    await connections.open()
    yield connections
    await connections.close()


async def write(url: str, count: int) -> None:
    connections = Connections(url, 8)
    await connections.open()

    async def one(number: int) -> None:
        async with connections.transaction() as connection:
            await record(connection, SYSTEM, "thing.do", f"thing {number}", {"n": number * 0.1})

    await asyncio.gather(*(one(number) for number in range(count)))
    await connections.close()


async def check(url: str, anchor: tuple[int | None, str] | None = None) -> Verdict:
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


async def test_entries_that_change_places_are_found(database_url: str) -> None:
    await write(database_url, 8)
    await tamper(
        database_url,
        "update audit_entry a set actor = b.actor, action = b.action, object = b.object,"
        " detail = b.detail, at = b.at from audit_entry b"
        " where (a.sequence, b.sequence) in ((3, 4), (4, 3))",
    )
    assert (await check(database_url)).broken_at == 3


async def test_a_log_that_was_written_anew_is_found_by_an_anchor(database_url: str) -> None:
    await write(database_url, 5)
    whole = await check(database_url)
    await tamper(database_url, "delete from audit_entry")
    await write(database_url, 5)
    assert (await check(database_url)).broken_at is None
    assert (await check(database_url, (5, whole.last))).broken_at == 5
    assert (await check(database_url, (None, whole.last))).broken_at == 6
    again = await check(database_url)
    assert (await check(database_url, (None, again.last))).broken_at is None


class UndoneError(Exception):
    """What a caller's transaction ends with."""


async def test_twenty_writers_leave_no_gap_even_when_some_are_undone(database_url: str) -> None:
    async with connected(database_url) as connections:

        async def writer(number: int) -> None:
            for turn in range(5):
                with contextlib.suppress(UndoneError):
                    async with connections.transaction() as connection:
                        await record(connection, SYSTEM, "thing.do", f"{number}/{turn}")
                        if (number + turn) % 4 == 0:
                            raise UndoneError

        await asyncio.gather(*(writer(number) for number in range(20)))
        async with connections.transaction() as connection:
            found = await entries(connection, limit=500)
    assert [entry.sequence for entry in found] == list(range(75, 0, -1))
    assert [entry.at for entry in found] == sorted((e.at for e in found), reverse=True)
    verdict = await check(database_url)
    assert verdict.entries == 75 and verdict.broken_at is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


async def test_whatever_is_told_comes_back_as_it_was_hashed(database_url: str) -> None:
    # Each of these came back from jsonb as something else, or didn't go in.
    hard: list[Any] = [1e16, -0.0, 1e-7, 10**400, float("nan"), float("inf"), "a\u0000b", "\ud800"]
    drawn: list[Any] = []

    @settings(max_examples=150, database=None, deadline=None)
    @given(JSON)
    def draw(value: Any) -> None:
        drawn.append(value)

    draw()
    async with connected(database_url) as connections:
        for value in (*hard, *drawn):
            async with connections.transaction() as connection:
                await record(connection, SYSTEM, "thing.do", str(value)[:50], {"value": value})
    verdict = await check(database_url)
    assert verdict.broken_at is None, verdict
    assert verdict.entries == len(hard) + len(drawn)


async def test_what_looks_like_a_secret_is_never_written(database_url: str) -> None:
    key = "chp_" + "Ab1-" * 10
    async with connected(database_url) as connections:
        async with connections.transaction() as connection:
            await record(
                connection,
                SYSTEM,
                "endpoint.put",
                f"http://admin:hunter2@gpu1/ {key}",
                {"url": "https://admin:hunter2@gpu1/v1", "x": [f"Bearer {key}", {key: key}]},
            )
        await record_refusal(connections, SYSTEM, "model.put", key, "no")
        async with connections.transaction() as connection:
            found = await entries(connection)
    assert "hunter2" not in str(found) and key not in str(found) and key[6:] not in str(found)
    assert found[1].detail["url"] == "https://…@gpu1/v1"


async def next_minute(connections: Connections) -> None:
    async with connections.transaction() as connection:
        await connection.execute("update audit_refusal set minute = minute - interval '1 min'")


async def test_the_same_refusal_again_is_counted_in_one_entry(database_url: str) -> None:
    async with connected(database_url) as connections:
        for _ in range(20):
            await record_refusal(connections, SYSTEM, "limit.set", "x", "scope operate missing")
        await next_minute(connections)
        await Refusals(connections).write()
        await Refusals(connections).write()
        async with connections.transaction() as connection:
            found = await entries(connection)
    told = 1 + sum(entry.detail.get("repeats", 0) for entry in found)
    firsts = [entry for entry in found if "repeats" not in entry.detail]
    # A minute may end in the middle.
    assert told + len(firsts) - 1 == 20 and len(firsts) <= 2 and len(found) <= 4
    assert {entry.outcome for entry in found} == {"refused"}
    assert (await check(database_url)).broken_at is None


async def test_nobody_fills_the_disk_by_being_refused_much(database_url: str) -> None:
    """Always another object, from memory and by the routes at once."""
    async with connected(database_url) as connections:
        refusals = Refusals(connections)
        actor = Actor("key", frozenset(), key_id=uuid.uuid4())
        for number in range(5000):
            refusals.note(actor, "model.use", f"model {number}", "not granted")
            refusals.note(UNKNOWN, "key.use", "", "no such key")
        assert len(refusals._noted) <= 1100
        await asyncio.gather(
            refusals.write(),
            *(
                record_refusal(connections, actor, "key.revoke", f"{n}\x00", "no")
                for n in range(60)
            ),
        )
        await next_minute(connections)
        await refusals.write()
        async with connections.transaction() as connection:
            found = await entries(connection, limit=500)
    assert len(found) <= 2 * (11 + 1 + 11 + 1) * 2
    counts: Counter[str] = Counter()
    for entry in found:
        counts[entry.action] += entry.detail.get("repeats", 1)
    assert counts["key.revoke"] == 60
    assert counts["model.use"] + counts["key.use"] == 10_000
    assert (await check(database_url)).broken_at is None


async def test_refusals_wait_for_a_database_that_is_away(database_url: str) -> None:
    away = Connections("postgresql://nobody@127.0.0.1:1/none", 1)
    await away.open()
    refusals = Refusals(away)
    refusals.note(UNKNOWN, "key.use", "", "no such key")
    await refusals.write()
    refusals.note(UNKNOWN, "key.use", "", "no such key")
    await away.close()
    async with connected(database_url) as connections:
        refusals._connections = connections
        await refusals.write()
        async with connections.transaction() as connection:
            cursor = await connection.execute("select count from audit_refusal")
            assert await cursor.fetchall() == [(2,)]
            assert [e.actor for e in await entries(connection)] == ["unknown"]


async def test_acts_and_refusals_at_once_do_not_wait_for_each_other_for_ever(
    database_url: str,
) -> None:
    async with connected(database_url) as connections:

        async def act(number: int) -> None:
            async with connections.transaction() as connection:
                await hold(connection)
                for turn in range(3):
                    await connection.execute(
                        "insert into organisation (slug, name) values (%s, 'x')"
                        " on conflict (slug) do update set name = excluded.name",
                        (f"o{(number + turn) % 3}",),
                    )
                    await record(connection, SYSTEM, "organisation.put", str(number))

        await asyncio.gather(
            *(act(number) for number in range(20)),
            *(record_refusal(connections, SYSTEM, "key.list", str(n % 3), "no") for n in range(20)),
        )
    verdict = await check(database_url)
    assert verdict.broken_at is None and 63 <= verdict.entries <= 69
