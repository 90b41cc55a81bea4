"""Partitions by month, made ahead; rows that came before theirs; retention."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from accounts_support import connected, new_account, query, totals
from chappe.gateway.accounts.months import prepare_months
from chappe.gateway.accounts.records import encode
from chappe.gateway.accounts.retention import enforce
from chappe.gateway.accounts.rows import write

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PARTITIONS = "select tableoid::regclass::text, count(*) from request_account group by 1 order by 1"


def row_of(moment: datetime) -> bytes:
    account = new_account(started_at=moment)
    account.outcome = "completed"
    account.usage(10, 1, 0)
    return encode(account)


async def test_rows_that_came_too_early_move_to_their_month(database_url: str) -> None:
    async with connected(database_url) as connections:
        days = [datetime(2026, month, 15, tzinfo=UTC) for month in (9, 11, 12)]
        await write(connections, [row_of(day) for day in days])
        assert query(database_url, PARTITIONS) == [("request_account_other", 3)]
        before = totals(database_url)
        made = await prepare_months(connections, NOW)
        assert made == [f"request_account_2026_{month}" for month in ("09", "11", "12")]
        assert query(database_url, PARTITIONS) == [(name, 1) for name in made]
        assert totals(database_url) == before
        assert await prepare_months(connections, NOW) == []
        # A new year, and what is written now lies where it belongs at once.
        assert await prepare_months(connections, datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == [
            "request_account_2027_01"
        ]
        await write(connections, [row_of(datetime(2027, 1, 1, tzinfo=UTC))])
        assert ("request_account_2027_01", 1) in query(database_url, PARTITIONS)


async def test_months_are_made_while_others_write(database_url: str) -> None:
    """Several processes prepare and write at once: nobody fails, nothing is lost or twice."""
    async with connected(database_url) as connections:

        async def writing() -> None:
            for day in range(1, 29):
                rows = [row_of(datetime(2026, month, day, tzinfo=UTC)) for month in (10, 11, 12)]
                await write(connections, rows)

        await asyncio.gather(
            writing(),
            prepare_months(connections, NOW),
            writing(),
            prepare_months(connections, NOW),
            writing(),
        )
        await prepare_months(connections, NOW)
    assert totals(database_url) == (252, 2520, 0, 252)
    assert query(database_url, PARTITIONS) == [
        (f"request_account_2026_{month}", 84) for month in (10, 11, 12)
    ]


async def test_old_months_go_and_their_hours_stay(database_url: str, tmp_path: Path) -> None:
    async with connected(database_url) as connections:
        moments = [datetime(2026, month, 28, tzinfo=UTC) for month in range(6, 12)]
        moments.append(datetime(2025, 2, 1, tzinfo=UTC))
        await write(connections, [row_of(moment) for moment in moments])
        await prepare_months(connections, NOW)
        # One more without a partition: it is old all the same.
        await write(connections, [row_of(datetime(2024, 1, 1, tzinfo=UTC))])
        report = await enforce(connections, 2, NOW)
        assert report.partitions == [
            "request_account_2025_02",
            *(f"request_account_2026_0{month}" for month in (6, 7, 8)),
        ]
        assert report.rows == 1
        # This month, and the two whole ones before it.
        kept = query(database_url, "select started_at from request_account order by 1")
        assert [moment for (moment,) in kept] == moments[3:6]
        assert query(database_url, "select sum(requests) from usage_hour") == [(8,)]
        again = await enforce(connections, 2, NOW)
        assert (again.partitions, again.rows) == ([], 0)
