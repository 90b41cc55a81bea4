"""The partitions of `request_account`: one for each month (UTC)."""

from datetime import UTC, datetime, timedelta

from chappe.core.connections import Connection, Connections

LOCK = "select pg_advisory_xact_lock(hashtextextended('request_account months', 0))"
# A report that reads for long must not have every writer wait behind us.
PATIENCE = "set local lock_timeout = '3s'"
_STRAY_MONTHS = """
    select distinct date_trunc('month', started_at, 'UTC') at time zone 'UTC'
    from request_account_other
"""


def month_after(month: datetime) -> datetime:
    """The first moment of the month after the one that begins at `month`."""
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def month_before(month: datetime) -> datetime:
    """The first moment of the month before the one that begins at `month`."""
    return (month - timedelta(days=1)).replace(day=1)


def month_of(moment: datetime) -> datetime:
    """The first moment of its month, in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def last_month(moment: datetime) -> datetime:
    """The first moment of the month that a time which ends at `moment` ends in."""
    try:
        return month_of(moment - timedelta(microseconds=1))
    except OverflowError:
        return month_of(moment)


def partition(month: datetime) -> str:
    """Name of a month's partition."""
    return f"request_account_{month.year:04d}_{month.month:02d}"


async def prepare_months(connections: Connections, now: datetime | None = None) -> list[str]:
    """Make the partitions of this month, the next, and of rows that came before theirs was made.

    Returns:
        The names of those that were made.

    Raises:
        ChappeError: `database_unreachable`; also when others hold the tables for too long.
    """
    this = month_of(now or datetime.now(UTC))
    made = []
    async with connections.transaction() as connection:
        await connection.execute(PATIENCE)
        await connection.execute(LOCK)
        cursor = await connection.execute(_STRAY_MONTHS)
        strays = [month.replace(tzinfo=UTC) for (month,) in await cursor.fetchall()]
        for month in sorted({this, month_after(this), *strays}):
            if not await _exists(connection, month):
                await _make(connection, month)
                made.append(partition(month))
    return made


async def _exists(connection: Connection, month: datetime) -> bool:
    cursor = await connection.execute("select to_regclass(%s) is not null", (partition(month),))
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def _make(connection: Connection, month: datetime) -> None:
    """Make a month's partition; its rows in the default partition move there."""
    name, begin, end = partition(month), month.isoformat(), month_after(month).isoformat()
    for statement in (
        # Writers wait before they choose a partition: one that had chosen the default one, and
        # waited there, would find that its row doesn't belong there any more.
        "lock table request_account in share row exclusive mode",
        "lock table request_account_other in access exclusive mode",
        f"create table {name} (like request_account including defaults including constraints)",
        f"with moved as (delete from request_account_other"  # noqa: S608
        f" where started_at >= '{begin}' and started_at < '{end}' returning *)"
        f" insert into {name} select * from moved",
        f"alter table request_account attach partition {name}"
        f" for values from ('{begin}') to ('{end}')",
    ):
        await connection.execute(statement)
