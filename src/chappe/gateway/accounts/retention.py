"""Forgetting old accounts: whole months go, the hourly sums stay."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from chappe.core.connections import Connections
from chappe.gateway.accounts.months import LOCK, PATIENCE, month_before, month_of, partition

log = logging.getLogger(__name__)

_PARTITIONS = """
    select relname from pg_class
    where oid in (select inhrelid from pg_inherits where inhparent = 'request_account'::regclass)
      and relname ~ '^request_account_[0-9]+_[0-9]{2}$' and relname < %s
    order by relname
"""


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What went.

    Attributes:
        partitions: the months' tables.
        rows: old rows that lay in none of them.
    """

    partitions: list[str]
    rows: int


async def enforce(
    connections: Connections, months: int, now: datetime | None = None
) -> RetentionReport:
    """Keep the accounts of this month and of so many whole months before it (UTC).

    Raises:
        ChappeError: `database_unreachable`; also when others hold the tables for too long: nothing
            went then.
    """
    first = month_of(now or datetime.now(UTC))
    for _ in range(months):
        first = month_before(first)
    async with connections.transaction() as connection:
        await connection.execute(PATIENCE)
        await connection.execute(LOCK)
        cursor = await connection.execute(_PARTITIONS, (partition(first),))
        names = [name for (name,) in await cursor.fetchall()]
        for name in names:
            await connection.execute(f"drop table {name}")
        stray = await connection.execute(
            "delete from request_account_other where started_at < %s", (first,)
        )
    if names or stray.rowcount:
        log.info("accounts_forgotten", extra={"partitions": names, "rows": stray.rowcount})
    return RetentionReport(names, stray.rowcount)
